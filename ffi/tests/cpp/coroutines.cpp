/* ouzel.hpp: waits, cancel in flight, failures, exceptions, frames that outlive their task. Twice included. */
#include "ouzel.hpp"

#include "ouzel.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

#define CHECK(condition)                                                                  \
    do {                                                                                  \
        if (!(condition)) {                                                               \
            std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            std::exit(1);                                                                 \
        }                                                                                 \
    } while (0)

namespace {

uint32_t the_driver, the_workers;

ouzel_options options() {
    ouzel_options o = ouzel::default_options();
    o.driver = the_driver;
    o.workers = the_workers;
    return o;
}

struct sockets {
    int a, b;
    sockets() {
        int fds[2];
        CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) == 0);
        a = fds[0];
        b = fds[1];
    }
};

/* Counts its destructions: in a frame it tells when that is destroyed. */
struct witness {
    std::atomic<int> *ends;
    explicit witness(std::atomic<int> &count) : ends(&count) {}
    witness(const witness &) = delete;
    ~witness() { ends->fetch_add(1); }
};

ouzel::task<int> add(int a, int b) { co_return a + b; }

ouzel::task<int> deep(int n) {
    if (n == 0) co_return 0;
    co_await ouzel::yield();
    co_return 1 + co_await deep(n - 1);
}

void values_come_back_through_many_frames() {
    ouzel::runtime rt(options());
    CHECK(rt.block_on(add(2, 3)) == 5);
    CHECK(rt.block_on(deep(500)) == 500);
    auto text = [](std::string s) -> ouzel::task<std::string> { co_return s + "!"; };
    CHECK(rt.block_on(text("a text that is too long to be kept in place")).back() == '!');
    auto owned = []() -> ouzel::task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
    CHECK(*rt.block_on(owned()) == 7);
}

ouzel::task<> echo_once(int fd, std::string word) {
    std::array<char, 64> buf;
    auto sent = co_await ouzel::send(fd, word.data(), word.size());
    CHECK(sent && *sent == word.size());
    auto got = co_await ouzel::recv(fd, buf.data(), buf.size());
    CHECK(std::string(buf.data(), got.value()) == "<" + word + ">");
}

ouzel::task<> answer(int fd) {
    std::array<char, 64> buf;
    std::size_t n = (co_await ouzel::recv(fd, buf.data(), buf.size())).value();
    co_await ouzel::sleep_for(2ms);
    std::string reply = "<" + std::string(buf.data(), n) + ">";
    CHECK(*co_await ouzel::send(fd, reply.data(), reply.size()) == reply.size());
}

ouzel::task<> both_ends() {
    ouzel::runtime_ref rt = co_await ouzel::here();
    sockets s;
    auto other = rt.spawn(answer(s.b));
    co_await echo_once(s.a, "word");
    co_await other;
    uint64_t before = rt.now();
    (co_await ouzel::sleep_until(before + 3000000)).value();
    CHECK(rt.now() >= before + 3000000);
    (co_await ouzel::close(s.a)).value();
    (co_await ouzel::close(s.b)).value();
}

ouzel::task<> parts() {
    sockets s;
    char one[2], two[3];
    iovec out[2] = {{const_cast<char *>("ab"), 2}, {const_cast<char *>("cde"), 3}};
    iovec in[2] = {{one, 2}, {two, 3}};
    msghdr to = {}, from = {};
    to.msg_iov = out;
    from.msg_iov = in;
    to.msg_iovlen = from.msg_iovlen = 2;
    auto ready = (co_await ouzel::here()).spawn([](int fd) -> ouzel::task<uint32_t> {
        co_return (co_await ouzel::poll_fd(fd, POLLIN)).value();
    }(s.b));
    CHECK(*co_await ouzel::sendmsg(s.a, &to) == 5);
    CHECK(co_await ready & POLLIN);
    CHECK(*co_await ouzel::recvmsg(s.b, &from) == 5 && one[1] == 'b' && two[2] == 'e');
    (co_await ouzel::close(s.a)).value();
    (co_await ouzel::close(s.b)).value();
}

void operations_wait() {
    ouzel::runtime rt(options());
    CHECK(the_driver == OUZEL_DRIVER_AUTO || rt.driver() == the_driver);
    rt.block_on(both_ends());
    rt.block_on(parts());
}

ouzel::task<> files(std::string path) {
    int fd = (co_await ouzel::openat(AT_FDCWD, path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600)).value();
    CHECK(*co_await ouzel::write(fd, "contents", 8, 0) == 8);
    CHECK(co_await ouzel::fsync(fd));
    char buf[16];
    CHECK(*co_await ouzel::read(fd, buf, sizeof buf, 3) == 5 && std::memcmp(buf, "tents", 5) == 0);
    iovec out[2] = {{buf, 2}, {buf + 2, 3}}, in[2] = {{buf + 8, 4}, {buf + 12, 4}};
    CHECK((co_await ouzel::writev(fd, out, 2, 8)).value() == 5);
    CHECK((co_await ouzel::readv(fd, in, 2, 6)).value() == 7 && std::memcmp(buf + 8, "tstents", 7) == 0);
    (co_await ouzel::close(fd)).value();
    ::unlink(path.c_str());
    auto gone = co_await ouzel::openat(AT_FDCWD, path.c_str(), O_RDONLY);
    CHECK(!gone && gone.error() == std::errc::no_such_file_or_directory);
}

void files_are_read_and_written() {
    ouzel::runtime rt(options());
    rt.block_on(files("coroutines." + std::to_string(getpid()) + ".tmp"));
}

ouzel::task<> failures() {
    char buf[4];
    auto bad = co_await ouzel::recv(-1, buf, sizeof buf);
    CHECK(!bad && bad.error() == std::errc::bad_file_descriptor);
    CHECK(bad.error().category() == std::system_category());
    auto refused = co_await ouzel::fsync(0, 77); /* a flag that is none: refused before it is submitted */
    CHECK(refused.error().value() == OUZEL_EINVAL && refused.error() == std::errc::invalid_argument);
    CHECK(refused.error().message() == ouzel_err_text(OUZEL_EINVAL));
    bool threw = false;
    try {
        bad.value();
    } catch (const std::system_error &e) {
        threw = e.code() == bad.error();
    }
    CHECK(threw);
}

void failures_are_answers() {
    ouzel::runtime rt(options());
    rt.block_on(failures());
}

ouzel::task<> in_time() {
    sockets s;
    char buf[8];
    auto late = co_await ouzel::recv(s.a, buf, sizeof buf).within(3ms);
    CHECK(!late && late.error().value() == OUZEL_ETIMEDOUT && late.error() == std::errc::timed_out);
    CHECK(*co_await ouzel::send(s.b, "now", 3) == 3);
    auto soon = co_await ouzel::recv(s.a, buf, sizeof buf).within(10s);
    CHECK(*soon == 3);
    (co_await ouzel::close(s.a)).value();
    (co_await ouzel::close(s.b)).value();
}

void a_time_limit_ends_a_wait() {
    ouzel::runtime rt(options());
    rt.block_on(in_time());
}

struct odd : std::runtime_error {
    using std::runtime_error::runtime_error;
};

ouzel::task<int> throws(int when, std::atomic<int> &ends) {
    witness w(ends);
    if (when == 0) throw odd("at once");
    co_await ouzel::sleep_for(1ms);
    throw odd("later");
}

ouzel::task<int> catches(int when, std::atomic<int> &ends) {
    try {
        co_await throws(when, ends);
    } catch (const odd &e) {
        co_return static_cast<int>(std::strlen(e.what()));
    }
    co_return -1;
}

ouzel::task<> joins(std::atomic<int> &ends) {
    auto handle = (co_await ouzel::here()).spawn(throws(1, ends));
    bool caught = false;
    try {
        co_await handle;
    } catch (const odd &) {
        caught = true;
    }
    CHECK(caught);
}

void exceptions_reach_who_awaits() {
    std::atomic<int> ends{0};
    ouzel::runtime rt(options());
    CHECK(rt.block_on(catches(0, ends)) == 7);
    CHECK(rt.block_on(catches(1, ends)) == 5);
    rt.block_on(joins(ends));
    bool caught = false;
    try {
        rt.block_on(throws(1, ends));
    } catch (const odd &) {
        caught = true;
    }
    CHECK(caught && ends == 4);
    { auto forgotten = rt.spawn(throws(0, ends)); } /* detached: its exception is dropped with its outcome */
    rt.run();
    CHECK(ends == 5);
}

/* A receive's `release`, listened to. */
struct ear {
    void (*release)(void *) = nullptr;
    void *ud = nullptr;
    bool heard = false;
};

auto heard_recv(int fd, void *buf, std::size_t len, ear *e) {
    return ouzel::detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        ouzel_op_opts mine = *opts;
        e->release = std::exchange(mine.release, [](void *ud) {
            ear *it = static_cast<ear *>(ud);
            it->heard = true;
            it->release(it->ud); /* may destroy the frame, and `it` */
        });
        e->ud = std::exchange(mine.ud, e);
        return ouzel_recv(rt, fd, buf, len, 0, &mine, out);
    });
}

/* The buffer is in the frame, which must not be destroyed before ouzel has said that the kernel let go of it. */
ouzel::task<> waits_for_ever(int fd, std::atomic<int> &ends) {
    witness outer(ends);
    auto inner = [](int fd, std::atomic<int> &ends) -> ouzel::task<std::size_t> {
        ear e;
        struct listening : witness {
            ear &e;
            listening(std::atomic<int> &count, ear &e) : witness(count), e(e) {}
            ~listening() { CHECK(e.heard); }
        } inner(ends, e);
        std::array<char, 4096> buf;
        co_return (co_await heard_recv(fd, buf.data(), buf.size(), &e)).value();
    };
    co_await inner(fd, ends);
    CHECK(false);
}

ouzel::task<> cancels(int fd, std::atomic<int> &ends) {
    ouzel::runtime_ref rt = co_await ouzel::here();
    auto handle = rt.spawn(waits_for_ever(fd, ends));
    for (int i = 0; i < 3; i++) co_await ouzel::yield();
    co_await ouzel::sleep_for(1ms); /* now the receive is in the kernel */
    handle.cancel();
    std::error_code why;
    try {
        co_await handle;
    } catch (const std::system_error &e) {
        why = e.code();
    }
    CHECK(why.value() == OUZEL_ECANCELED && why == std::errc::operation_canceled);
    while (ends < 2) co_await ouzel::sleep_for(1ms); /* the kernel lets go a little later */
}

void a_cancel_in_flight_keeps_the_frames_until_the_kernel_lets_go() {
    std::atomic<int> ends{0};
    ouzel::runtime rt(options());
    sockets s;
    rt.block_on(cancels(s.a, ends));
    CHECK(ends == 2);
    ::close(s.b);
    ::close(s.a);
}

void a_shutdown_in_flight_destroys_every_frame() {
    std::atomic<int> ends{0};
    sockets s;
    {
        ouzel::runtime rt(options());
        for (int i = 0; i < 10; i++) rt.spawn_detached(waits_for_ever(s.a, ends));
        rt.block_on([](void) -> ouzel::task<> { co_await ouzel::sleep_for(2ms); }());
        CHECK(ends == 0);
    }
    CHECK(ends == 20);
    ::close(s.a);
    ::close(s.b);
}

void a_refused_spawn_destroys_the_frame() {
    std::atomic<int> ends{0};
    ouzel::runtime rt(options());
    CHECK(ouzel_runtime_shutdown(rt.native(), OUZEL_FOREVER) == OUZEL_OK);
    auto holds = [](std::unique_ptr<witness>) -> ouzel::task<> { co_return; };
    std::error_code why;
    try {
        auto handle = rt.spawn(holds(std::make_unique<witness>(ends)));
    } catch (const std::system_error &e) {
        why = e.code();
    }
    CHECK(why.value() == OUZEL_ECLOSING && why.category() == ouzel::category() && ends == 1);
    { auto never = holds(std::make_unique<witness>(ends)); } /* nor one that nobody began */
    CHECK(ends == 2);
}

void a_thread_wakes_a_coroutine() {
    ouzel::runtime rt(options());
    std::atomic<bool> set{false};
    std::atomic<uint64_t> slot{0}, gen{0};
    std::thread waker([&] {
        while (gen.load(std::memory_order_acquire) == 0) std::this_thread::yield();
        set.store(true, std::memory_order_release);
        ouzel_wake({slot.load(), gen.load()});
    });
    auto waits = [&]() -> ouzel::task<int> {
        co_return co_await ouzel::from_poll([&](ouzel_cx *cx) noexcept -> int32_t {
            if (set.load(std::memory_order_acquire)) return 42;
            ouzel_waker me = ouzel_cx_waker(cx);
            slot.store(me.slot);
            gen.store(me.gen, std::memory_order_release);
            return OUZEL_PENDING;
        });
    };
    CHECK(rt.block_on(waits()) == 42);
    waker.join();
}

void many_tasks_at_once() {
    ouzel::runtime rt(options());
    auto all = []() -> ouzel::task<int> {
        ouzel::runtime_ref rt = co_await ouzel::here();
        std::vector<ouzel::join_handle<int>> handles;
        for (int i = 0; i < 1000; i++) handles.push_back(rt.spawn(deep(i % 7)));
        int sum = 0;
        for (auto &handle : handles) sum += co_await handle;
        co_return sum;
    };
    int expected = 0;
    for (int i = 0; i < 1000; i++) expected += i % 7;
    CHECK(rt.block_on(all()) == expected);
    if (the_workers) CHECK(rt.spawn(deep(3)).join() == 3);
}

} // namespace

int main(int argc, char **argv) {
    CHECK(argc == 3);
    alarm(100); /* a test that hangs */
    while (std::strcmp(argv[1], ouzel_driver_name(the_driver)) != 0) CHECK(the_driver++ < OUZEL_DRIVER_POLL);
    the_workers = static_cast<uint32_t>(std::atoi(argv[2]));
    values_come_back_through_many_frames();
    operations_wait();
    files_are_read_and_written();
    failures_are_answers();
    a_time_limit_ends_a_wait();
    exceptions_reach_who_awaits();
    a_cancel_in_flight_keeps_the_frames_until_the_kernel_lets_go();
    a_shutdown_in_flight_destroys_every_frame();
    a_refused_spawn_destroys_the_frame();
    a_thread_wakes_a_coroutine();
    many_tasks_at_once();
}
