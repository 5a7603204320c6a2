/* uv_echo - what ffi/examples/c/echo.c does, on libuv: the twin it is compared with.
 *
 *     uv_echo [-p PORT]
 *
 * Written as libuv does it fastest: one read buffer for all connections, as large as one of ouzel's; a reply is tried at
 * once with uv_try_write, which needs no request and no callback, and only what the socket does not take is queued. Ends
 * with status 0 on SIGTERM.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define BUFFER (16u * 1024u)
#define OUT_LIMIT (256u * 1024u) /* bytes queued before a connection stops reading */

static char buffer[BUFFER];

typedef struct rest {
    uv_write_t write;
    uv_stream_t *stream;
    char bytes[];
} rest;

static void lend(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(buffer, BUFFER);
}

static void closed(uv_handle_t *handle) { free(handle); }

static void hang_up(uv_stream_t *stream) {
    if (!uv_is_closing((uv_handle_t *)stream)) uv_close((uv_handle_t *)stream, closed);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf);

static void written(uv_write_t *write, int status) {
    rest *r = (rest *)write;
    uv_stream_t *stream = r->stream;
    free(r);
    if (status < 0) hang_up(stream);
    else if (!uv_is_closing((uv_handle_t *)stream) && uv_stream_get_write_queue_size(stream) < OUT_LIMIT)
        uv_read_start(stream, lend, received);
}

/* Queues what the socket did not take. */
static int queue(uv_stream_t *stream, const char *bytes, size_t len) {
    rest *r = malloc(sizeof *r + len);
    if (!r) return -1;
    r->stream = stream;
    memcpy(r->bytes, bytes, len);
    uv_buf_t out = uv_buf_init(r->bytes, (unsigned)len);
    if (uv_write(&r->write, stream, &out, 1, written) < 0) {
        free(r);
        return -1;
    }
    if (uv_stream_get_write_queue_size(stream) >= OUT_LIMIT) uv_read_stop(stream);
    return 0;
}

static void ended(uv_shutdown_t *request, int status) {
    (void)status;
    uv_stream_t *stream = request->handle;
    free(request);
    hang_up(stream);
}

static void received(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
    if (n == 0) return;
    if (n == UV_EOF) { /* after what is queued */
        uv_shutdown_t *request = malloc(sizeof *request);
        if (!request || uv_shutdown(request, stream, ended) < 0) hang_up(stream);
        return;
    }
    if (n < 0) {
        hang_up(stream);
        return;
    }
    uv_buf_t out = uv_buf_init(buf->base, (unsigned)n);
    int sent = uv_try_write(stream, &out, 1);
    if (sent == UV_EAGAIN) sent = 0;
    if (sent < 0 || (sent < n && queue(stream, buf->base + sent, (size_t)(n - sent)) < 0)) hang_up(stream);
}

static void connected(uv_stream_t *listener, int status) {
    if (status < 0) {
        fprintf(stderr, "uv_echo: accept: %s\n", uv_strerror(status));
        return;
    }
    uv_tcp_t *stream = malloc(sizeof *stream);
    if (!stream) return;
    uv_tcp_init(listener->loop, stream);
    if (uv_accept(listener, (uv_stream_t *)stream) < 0) {
        hang_up((uv_stream_t *)stream);
        return;
    }
    uv_tcp_nodelay(stream, 1);
    uv_read_start((uv_stream_t *)stream, lend, received);
}

static void stop(uv_signal_t *handle, int signo) {
    (void)signo;
    uv_stop(handle->loop);
}

int main(int argc, char **argv) {
    int port = argc == 3 && strcmp(argv[1], "-p") == 0 ? atoi(argv[2]) : 0;
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t listener;
    uv_signal_t term;
    struct sockaddr_in addr;
    struct sockaddr_storage name;
    int len = sizeof name;
    signal(SIGPIPE, SIG_IGN);
    uv_ip4_addr("127.0.0.1", port, &addr);
    uv_tcp_init(loop, &listener);
    int err = uv_tcp_bind(&listener, (const struct sockaddr *)&addr, 0);
    if (!err) err = uv_listen((uv_stream_t *)&listener, 4096, connected);
    if (!err) err = uv_tcp_getsockname(&listener, (struct sockaddr *)&name, &len);
    if (err) {
        fprintf(stderr, "uv_echo: %s\n", uv_strerror(err));
        return 1;
    }
    uv_signal_init(loop, &term);
    uv_signal_start(&term, stop, SIGTERM);
    const struct sockaddr_in *got = (const struct sockaddr_in *)&name;
    printf("listening on 127.0.0.1:%d driver libuv\n", ntohs(got->sin_port));
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
