/* What the loops without a runtime have in common: a listener on loopback, and an end with status 0 on SIGTERM. */
#ifndef BARE_H
#define BARE_H

#include <arpa/inet.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

static volatile sig_atomic_t stopped;

static void stop(int signo) {
    (void)signo;
    stopped = 1;
}

static int fail(const char *what) {
    perror(what);
    return 1;
}

/* A listening socket of `type` on a port of the system's choice, or -1. SIGTERM ends a wait from now on. */
static int listen_until_sigterm(int type, struct sockaddr_in *addr) {
    struct sigaction action = {.sa_handler = stop}; /* without SA_RESTART */
    socklen_t len = sizeof *addr;
    int fd = socket(AF_INET, type, 0);
    *addr = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    sigaction(SIGTERM, &action, NULL);
    if (fd < 0 || bind(fd, (struct sockaddr *)addr, len) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)addr, &len) < 0)
        return -1;
    return fd;
}

/* Says what xtask waits for. */
static void say_listening(const struct sockaddr_in *addr, const char *driver) {
    printf("listening on 127.0.0.1:%u driver %s\n", ntohs(addr->sin_port), driver);
    fflush(stdout);
}

#endif
