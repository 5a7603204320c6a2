//! The application: what it answers depends on the request alone, so that clients can compare every byte.

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::time::Duration;

/// More is refused.
const MOST: usize = 64 << 20;

/// All routes.
pub(crate) fn router() -> Router {
    Router::new()
        .route("/", get(async || "hello from ouzel\n"))
        .route("/echo", post(async |body: Bytes| body))
        .route("/bytes/{count}", get(bytes))
        .route("/sleep/{ms}", get(sleep))
}

/// So many bytes, each known by its place.
async fn bytes(Path(count): Path<usize>) -> Response {
    if count > MOST {
        return (StatusCode::BAD_REQUEST, format!("at most {MOST} bytes\n")).into_response();
    }
    Body::from((0..count).map(|i| (i * 31 + i / 251) as u8).collect::<Vec<_>>()).into_response()
}

async fn sleep(Path(ms): Path<u64>) -> String {
    ouzel::sleep(Duration::from_millis(ms.min(60_000))).await;
    format!("slept {ms} ms\n")
}
