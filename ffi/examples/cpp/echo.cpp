/* echo - a TCP server that sends back what it receives, a coroutine for each connection.
 *
 *     echo [-p PORT] [--driver auto|uring|epoll|poll]
 *
 * Ends with status 0 on SIGTERM or SIGINT, after every coroutine's frame has been destroyed.
 */
#include "ouzel.hpp"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <array>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

using namespace std::chrono_literals;

namespace {

ouzel_rtid running;

ouzel::task<> connection(ouzel::descriptor fd) {
    std::array<char, 16384> buf; // in the frame, as long as the kernel may use it
    for (;;) {
        auto got = co_await ouzel::recv(fd.get(), buf.data(), buf.size());
        if (!got || *got == 0) co_return;
        auto sent = co_await ouzel::send(fd.get(), buf.data(), *got);
        if (!sent || *sent != *got) co_return;
    }
}

ouzel::task<> serve(int listener) {
    ouzel::runtime_ref rt = co_await ouzel::here();
    for (;;) {
        auto fd = co_await ouzel::accept(listener);
        if (!fd) {
            std::fprintf(stderr, "echo: accept: %s\n", fd.error().message().c_str());
            co_await ouzel::sleep_for(50ms);
            continue;
        }
        int on = 1;
        setsockopt(*fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        rt.spawn_detached(connection(ouzel::descriptor(rt, *fd)));
    }
}

/* A listening socket on 127.0.0.1, and the port it got. */
int listen_on(uint16_t &port) {
    sockaddr_in addr = {};
    socklen_t len = sizeof addr;
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    addr.sin_family = AF_INET;
    addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    addr.sin_port = htons(port);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    auto *generic = reinterpret_cast<sockaddr *>(&addr);
    if (fd < 0 || bind(fd, generic, len) < 0 || listen(fd, 4096) < 0 || getsockname(fd, generic, &len) < 0)
        throw std::system_error(errno, std::system_category(), "listen");
    port = ntohs(addr.sin_port);
    return fd;
}

void run(uint16_t port, uint32_t driver) {
    int listener = listen_on(port);
    ouzel_options options = ouzel::default_options();
    options.driver = driver;
    ouzel::runtime rt(options);
    running = ouzel_runtime_id(rt.native());
    auto stop = [](int) { ouzel_stop(running); };
    std::signal(SIGTERM, stop);
    std::signal(SIGINT, stop);
    rt.spawn_detached(serve(listener));
    std::printf("listening on 127.0.0.1:%u driver %s\n", port, ouzel_driver_name(rt.driver()));
    std::fflush(stdout);
    rt.run();
}

} // namespace

int main(int argc, char **argv) {
    uint16_t port = 0;
    uint32_t driver = OUZEL_DRIVER_AUTO;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (std::strcmp(argv[i], "-p") == 0) port = static_cast<uint16_t>(std::atoi(argv[i + 1]));
        else
            while (driver <= OUZEL_DRIVER_POLL && std::strcmp(argv[i + 1], ouzel_driver_name(driver)) != 0) driver++;
    }
    try {
        run(port, driver);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "echo: %s\n", e.what());
        return 1;
    }
}
