/* bare_echo - the least that an echo on epoll can be: no runtime, and nothing that a server needs beside it.
 *
 *     bare_echo [BURST]
 *
 * A receive and a send for each event, edge-triggered, out of one buffer. With BURST (64 at the most) that many receives first,
 * then their sends. What a socket has no room for is lost: for a load that waits for its answers. Ends with status 0 on SIGTERM.
 */
#define _GNU_SOURCE
#include "bare.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER (16u * 1024u) /* as large as one of ouzel's */
#define EVENTS 256           /* taken at a time, as ouzel's driver does */
#define MOST 64

typedef struct answer {
    int fd;
    size_t len;
    char bytes[BUFFER];
} answer;

static answer answers[MOST];
static size_t gathered;

static void send_all(void) {
    for (size_t i = 0; i < gathered; i++) {
        answer *a = &answers[i];
        if (send(a->fd, a->bytes, a->len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno != EPIPE && errno != ECONNRESET)
            perror("bare_echo: send");
    }
    gathered = 0;
}

static void serve(int fd, size_t burst) {
    answer *a = &answers[gathered];
    ssize_t n = recv(fd, a->bytes, BUFFER, MSG_DONTWAIT);
    if (n > 0) {
        a->fd = fd;
        a->len = (size_t)n;
        if (++gathered == burst) send_all();
    } else if (n == 0 || errno != EAGAIN) {
        send_all(); /* the number may be another connection's soon */
        close(fd);
    }
}

static void admit(int epoll, int listener) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.fd = fd};
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0) close(fd);
}

int main(int argc, char **argv) {
    size_t burst = argc > 1 ? (size_t)atoi(argv[1]) : 1;
    struct sockaddr_in addr;
    struct epoll_event events[EVENTS];
    if (burst < 1 || burst > MOST) {
        fputs("usage: bare_echo [BURST]\n", stderr);
        return 2;
    }
    int listener = listen_until_sigterm(SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, &addr), epoll = epoll_create1(EPOLL_CLOEXEC);
    if (listener < 0) return fail("bare_echo: listen");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) < 0) return fail("bare_echo: epoll");
    say_listening(&addr, "epoll");
    while (!stopped) {
        int n = epoll_wait(epoll, events, EVENTS, -1);
        for (int i = 0; i < n; i++) {
            if (events[i].data.fd == listener) admit(epoll, listener);
            else serve(events[i].data.fd, burst);
        }
        send_all();
    }
    return 0;
}
