//! Search of recorded sessions: files of JSON lines, a query language, and one order for what is found.
//!
//! ```text
//!  files ──► engine ──► reader: window ─► filter ─► line ─► query ─► hits ──► results: order, limit, numbers
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use ouzel_search::{Criteria, Engine, Job, Query, Results, Sources};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join(format!("ouzel-search-doc-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! std::fs::write(folder.join("a.jsonl"), r#"{"type":"summary","summary":"A deadlock","leafUuid":"1"}"#)?;
//! let mut sources = Sources::default();
//! sources.add(&folder);
//! let criteria = Criteria::new(Query::parse("deadlock")?);
//! let job = Arc::new(Job::new(criteria, sources.files));
//! let told = Engine::Ouzel.run(&job, 2)?;
//! let results = Results::new(&job, told, None, false);
//! assert_eq!(results.count, 1);
//! assert_eq!(results.matches[0].hit.line, 1);
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok(())
//! # }
//! ```

mod criteria;
mod engine;
mod files;
mod filter;
mod instant;
mod job;
mod json;
mod message;
pub mod query;
mod reader;
mod results;
mod scan;
mod show;
mod window;

pub use criteria::Criteria;
pub use engine::Engine;
pub use files::{Source, Sources, Unreadable};
pub use instant::Instant;
pub use job::{Job, Told};
pub use message::Role;
pub use query::Query;
pub use reader::{Found, Reader};
pub use results::{Match, Results};
pub use scan::Hit;
pub use show::{Shower, Shown};
