/* ouzel.hpp - C++20 coroutines on ouzel.h. Header only; link what ouzel.h is linked with.
 *
 *     ouzel::task<int> answer(int fd) {
 *         char buf[64];
 *         auto got = co_await ouzel::recv(fd, buf, sizeof buf).within(std::chrono::seconds(1));
 *         if (!got) throw std::system_error(got.error());
 *         co_return static_cast<int>(*got);
 *     }
 *     ouzel::runtime rt;
 *     int n = rt.block_on(answer(fd));
 *
 * How it works. A spawned coroutine and all those it awaits are one ouzel task, whose poll function asks the one
 * operation they wait for and resumes the innermost coroutine when it has completed. Nothing is queued between them.
 *
 *     spawn -> root (refs: the task, the join handle) -> frames (pins: the task, each operation that was lent memory)
 *
 * What holds
 *   memory      What an operation is lent may live in the coroutine's frame. A task that is cancelled or shut down
 *               abandons its operation and keeps all its frames until ouzel's `release` says that the kernel has let go;
 *               only then are they destroyed, innermost first, on a loop thread.
 *   exceptions  never leave for ouzel: they stay in the promise and come out where the coroutine is awaited or joined. One
 *               that leaves a task of spawn_detached ends the program (std::terminate), as one that leaves a thread does.
 *   errors      Operations answer result<T>: a value or a std::error_code (system_category for errno, ouzel::category() for
 *               ouzel's own). Functions that cannot answer one throw std::system_error.
 *   threads     On a runtime with workers a coroutine may resume on another worker after each co_await.
 *   frames      are allocated with operator new, one for each coroutine.
 *
 * LENGTH: one file, so that a program may take it along by copying it.
 */
#ifndef OUZEL_HPP
#define OUZEL_HPP

#include "ouzel.h"

#if !defined(__cpp_impl_coroutine)
#error "ouzel.hpp needs C++20 coroutines (-std=c++20)"
#endif

#include <atomic>
#include <cerrno>
#include <chrono>
#include <coroutine>
#include <cstddef>
#include <exception>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <unistd.h>

namespace ouzel {

/* ---- errors ----------------------------------------------------------------------------------------------------- */

/* The category of ouzel's own codes; equivalent to the generic conditions where there is one. */
inline const std::error_category &category() noexcept {
    struct ours final : std::error_category {
        const char *name() const noexcept override { return "ouzel"; }
        std::string message(int code) const override { return ouzel_err_text(code); }
        std::error_condition default_error_condition(int code) const noexcept override {
            switch (code) {
            case OUZEL_EINVAL:
            case OUZEL_ENULL: return std::errc::invalid_argument;
            case OUZEL_EDEADLK: return std::errc::resource_deadlock_would_occur;
            case OUZEL_EBUSY: return std::errc::device_or_resource_busy;
            case OUZEL_ETIMEDOUT: return std::errc::timed_out;
            case OUZEL_ECANCELED: return std::errc::operation_canceled;
            case OUZEL_ENOMEM: return std::errc::not_enough_memory;
            case OUZEL_ENOTSUP: return std::errc::not_supported;
            default: return {code, *this};
            }
        }
    };
    static const ours it;
    return it;
}

/* The error that a code below zero stands for. */
inline std::error_code error_of(int32_t code) noexcept {
    return code >= -4095 ? std::error_code(-code, std::system_category()) : std::error_code(code, category());
}

/* Throws what a code below zero stands for; else gives it back. */
inline int32_t check(int32_t code) {
    if (code < 0) throw std::system_error(error_of(code));
    return code;
}

/* A value, or why there is none. */
template <class T> class [[nodiscard]] result {
public:
    result(T value) noexcept : is_(std::move(value)) {}
    result(std::error_code why) noexcept : is_(why) {}
    explicit operator bool() const noexcept { return is_.index() == 0; }
    std::error_code error() const noexcept { return *this ? std::error_code() : std::get<1>(is_); }
    const T &operator*() const noexcept { return *std::get_if<0>(&is_); }
    /* Throws std::system_error. */
    const T &value() const {
        if (!*this) throw std::system_error(std::get<1>(is_));
        return std::get<0>(is_);
    }

private:
    std::variant<T, std::error_code> is_;
};

template <> class result<void> {
public:
    result() noexcept = default;
    result(std::error_code why) noexcept : why_(why) {}
    explicit operator bool() const noexcept { return !why_; }
    std::error_code error() const noexcept { return why_; }
    void value() const {
        if (why_) throw std::system_error(why_);
    }

private:
    std::error_code why_;
};

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

template <class T> class task;
template <class T> class join_handle;
class runtime_ref;

namespace detail {

/* What the innermost coroutine waits for; lies in its frame. */
struct leaf {
    /* OUZEL_PENDING, or it can go on. */
    virtual int32_t ask(ouzel_cx *cx) noexcept = 0;
    /* It will never be asked again: abandons what is in flight. */
    virtual void let_go() noexcept {}

protected:
    ~leaf() = default;
};

/* One ouzel task: the outermost coroutine and those it awaits. */
class root {
public:
    explicit root(ouzel_runtime *rt, bool joined) noexcept : rt(rt), refs_(joined ? 2 : 1) {}
    root(const root &) = delete;
    root &operator=(const root &) = delete;

    ouzel_runtime *const rt;
    ouzel_cx *cx = nullptr; /* while it is polled */

    void wait(leaf *what, std::coroutine_handle<> then) noexcept {
        waiting_ = what;
        next_ = then;
    }
    void pin() noexcept { pins_.fetch_add(1, std::memory_order_relaxed); }
    void unpin() noexcept {
        if (pins_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        destroy_frames();
        unref();
    }
    void unref() noexcept {
        if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    static int32_t poll(void *ud, ouzel_cx *cx) noexcept {
        root *self = static_cast<root *>(ud);
        self->cx = cx;
        if (self->waiting_ && self->waiting_->ask(cx) == OUZEL_PENDING) return OUZEL_PENDING;
        self->waiting_ = nullptr;
        self->next_.resume(); /* to the next wait, or to the end */
        if (self->waiting_) return OUZEL_PENDING;
        self->keep_outcome();
        return OUZEL_READY;
    }
    static void drop(void *ud) noexcept {
        root *self = static_cast<root *>(ud);
        if (leaf *what = std::exchange(self->waiting_, nullptr)) what->let_go();
        self->unpin();
    }
    static void released(void *ud) noexcept { static_cast<root *>(ud)->unpin(); }

protected:
    virtual ~root() = default;
    virtual void keep_outcome() noexcept = 0;
    virtual void destroy_frames() noexcept = 0;
    std::coroutine_handle<> next_;

private:
    leaf *waiting_ = nullptr;
    std::atomic<uint32_t> pins_{1}; /* frames: the task, operations that were lent memory */
    std::atomic<uint32_t> refs_;    /* the frames, the join handle */
};

struct promise_base {
    root *owner = nullptr;
    std::coroutine_handle<> awaiter; /* none: the outermost */
    std::exception_ptr failure;

    std::suspend_always initial_suspend() noexcept { return {}; }
    struct at_end {
        bool await_ready() noexcept { return false; }
        template <class P> std::coroutine_handle<> await_suspend(std::coroutine_handle<P> me) noexcept {
            auto next = me.promise().awaiter;
            return next ? next : std::noop_coroutine();
        }
        void await_resume() noexcept {}
    };
    at_end final_suspend() noexcept { return {}; }
    void unhandled_exception() noexcept { failure = std::current_exception(); }
};

template <class T> struct promise : promise_base {
    std::optional<T> value;
    task<T> get_return_object() noexcept;
    template <class U> void return_value(U &&from) { value.emplace(std::forward<U>(from)); }
    T take() {
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
        return std::move(*value);
    }
};

template <> struct promise<void> : promise_base {
    task<void> get_return_object() noexcept;
    void return_void() noexcept {}
    void take() {
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    }
};

/* A task whose outcome, if it is joined, outlives its frames. */
template <class T> class root_of final : public root {
public:
    using coroutine = std::coroutine_handle<promise<T>>;
    root_of(ouzel_runtime *rt, coroutine frames, bool joined) noexcept
        : root(rt, joined), joined_(joined), frames_(frames) {
        frames.promise().owner = this;
        next_ = frames;
    }

    T take() {
        if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
        if constexpr (!std::is_void_v<T>) return std::move(*value_);
    }

private:
    void keep_outcome() noexcept override {
        failure_ = std::move(frames_.promise().failure);
        if (failure_ && !joined_) std::terminate();
        if constexpr (!std::is_void_v<T>) {
            if (!failure_) value_ = std::move(frames_.promise().value); /* a move that throws ends the program */
        }
    }
    void destroy_frames() noexcept override { frames_.destroy(); }

    const bool joined_;
    coroutine frames_;
    std::exception_ptr failure_;
    std::conditional_t<std::is_void_v<T>, std::monostate, std::optional<std::conditional_t<std::is_void_v<T>, char, T>>>
        value_;
};

} // namespace detail

/* A coroutine: begins when it is awaited or spawned, and is awaited once. What it throws, its awaiter catches. */
template <class T = void> class [[nodiscard]] task {
public:
    using promise_type = detail::promise<T>;
    using handle = std::coroutine_handle<promise_type>;

    explicit task(handle frame) noexcept : frame_(frame) {}
    task(task &&from) noexcept : frame_(std::exchange(from.frame_, nullptr)) {}
    task &operator=(task &&from) noexcept {
        std::swap(frame_, from.frame_);
        return *this;
    }
    ~task() {
        if (frame_) frame_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class P> handle await_suspend(std::coroutine_handle<P> awaiter) noexcept {
        frame_.promise().owner = awaiter.promise().owner;
        frame_.promise().awaiter = awaiter;
        return frame_;
    }
    T await_resume() { return frame_.promise().take(); }

    /* For spawning: the caller destroys it. */
    handle release() noexcept { return std::exchange(frame_, nullptr); }

private:
    handle frame_;
};

template <class T> task<T> detail::promise<T>::get_return_object() noexcept {
    return task<T>(std::coroutine_handle<promise>::from_promise(*this));
}
inline task<void> detail::promise<void>::get_return_object() noexcept {
    return task<void>(std::coroutine_handle<promise>::from_promise(*this));
}

/* Of a spawned task: `co_await` it once inside another task, for its value or its exception; std::system_error with
 * operation_canceled if it was cancelled. Destroyed before, it detaches the task and drops its outcome. */
template <class T> class [[nodiscard]] join_handle final : detail::leaf {
public:
    join_handle(ouzel_task id, detail::root_of<T> *root) noexcept : id_(id), root_(root) {}
    join_handle(join_handle &&from) noexcept : id_(from.id_), root_(std::exchange(from.root_, nullptr)) {}
    join_handle &operator=(join_handle &&) = delete;
    ~join_handle() {
        if (!root_) return;
        ouzel_task_detach(id_);
        root_->unref();
    }

    ouzel_task id() const noexcept { return id_; }
    /* Any thread; idempotent. Its frames are destroyed on a loop thread. */
    void cancel() noexcept { ouzel_task_cancel(id_); }
    /* Blocks; not on a loop thread of its runtime. */
    T join(uint64_t timeout_ns = OUZEL_FOREVER) {
        int32_t ended = OUZEL_OK;
        check(ouzel_task_join(id_, timeout_ns, &ended));
        return settle(ended);
    }

    bool await_ready() const noexcept { return false; }
    template <class P> bool await_suspend(std::coroutine_handle<P> awaiter) noexcept {
        detail::root *here = awaiter.promise().owner;
        if (ask(here->cx) != OUZEL_PENDING) return false;
        here->wait(this, awaiter);
        return true;
    }
    T await_resume() {
        check(code_);
        return settle(ended_);
    }

private:
    friend class runtime;
    int32_t ask(ouzel_cx *cx) noexcept override { return code_ = ouzel_task_poll_join(id_, cx, &ended_); }
    T settle(int32_t ended) {
        struct once {
            detail::root *root;
            ~once() { root->unref(); }
        };
        detail::root_of<T> *root = std::exchange(root_, nullptr);
        once unref{root};
        check(ended);
        return root->take();
    }

    ouzel_task id_;
    detail::root_of<T> *root_;
    int32_t code_ = OUZEL_OK, ended_ = OUZEL_OK;
};

/* ---- runtimes --------------------------------------------------------------------------------------------------- */

/* Names a runtime; owns nothing. */
class runtime_ref {
public:
    explicit runtime_ref(ouzel_runtime *rt) noexcept : rt_(rt) {}
    ouzel_runtime *native() const noexcept { return rt_; }
    uint64_t now() const noexcept { return ouzel_now(rt_); }
    uint32_t driver() const noexcept { return static_cast<uint32_t>(ouzel_runtime_driver(rt_)); }
    /* Ends run(), from any thread. */
    void stop() const noexcept { ouzel_stop(ouzel_runtime_id(rt_)); }

    /* Starts a task. Throws std::system_error if the runtime refuses it. */
    template <class T> join_handle<T> spawn(task<T> what) const {
        auto *root = new detail::root_of<T>(rt_, what.release(), true);
        ouzel_task id;
        int32_t code = start(root, 0, &id);
        if (code < 0) root->unref();
        check(code);
        return {id, root};
    }
    /* The same without a handle. An exception that leaves it ends the program. */
    void spawn_detached(task<void> what) const {
        check(start(new detail::root_of<void>(rt_, what.release(), false), OUZEL_TASK_DETACHED, nullptr));
    }

protected:
    ouzel_runtime *rt_;

private:
    int32_t start(detail::root *root, uint32_t flags, ouzel_task *id) const noexcept {
        ouzel_task_opts opts = {};
        opts.size = sizeof opts;
        opts.flags = flags;
        opts.drop = detail::root::drop; /* also if this fails */
        return ouzel_spawn(rt_, detail::root::poll, root, &opts, id);
    }
};

/* Zero throughout: ouzel's defaults. */
inline ouzel_options default_options() noexcept {
    ouzel_options options;
    ouzel_options_init(&options, sizeof options);
    return options;
}

/* A runtime, freed at the end of its scope: not inside a task of it. */
class runtime : public runtime_ref {
public:
    explicit runtime(const ouzel_options &options = default_options()) : runtime_ref(nullptr) {
        check(ouzel_check_abi(OUZEL_ABI_VERSION));
        check(ouzel_runtime_new(&options, &rt_));
    }
    runtime(const runtime &) = delete;
    runtime &operator=(const runtime &) = delete;
    ~runtime() {
        if (ouzel_runtime_free(rt_) < 0) std::terminate();
    }

    /* OUZEL_RUN_IDLE or OUZEL_RUN_STOPPED. */
    int32_t run() { return check(ouzel_run(rt_)); }
    /* Runs until `what` has ended: its value or its exception. */
    template <class T> T block_on(task<T> what) {
        join_handle<T> handle = spawn(std::move(what));
        int32_t ended = OUZEL_OK;
        check(ouzel_block_on(rt_, handle.id_, OUZEL_FOREVER, &ended));
        return handle.settle(ended);
    }
};

/* ---- what a coroutine waits for --------------------------------------------------------------------------------- */

/* `co_await from_poll(f)`: int32_t f(ouzel_cx *) noexcept is asked in each poll until it is not OUZEL_PENDING, and sees
 * to being woken (ouzel_cx_waker); its answer is the value. */
template <class F> class [[nodiscard]] from_poll final : detail::leaf {
public:
    explicit from_poll(F f) : f_(std::move(f)) {}
    bool await_ready() const noexcept { return false; }
    template <class P> bool await_suspend(std::coroutine_handle<P> awaiter) noexcept {
        detail::root *here = awaiter.promise().owner;
        if (ask(here->cx) != OUZEL_PENDING) return false;
        here->wait(this, awaiter);
        return true;
    }
    int32_t await_resume() const noexcept { return code_; }

private:
    int32_t ask(ouzel_cx *cx) noexcept override { return code_ = f_(cx); }
    F f_;
    int32_t code_ = OUZEL_PENDING;
};

/* `co_await yield()`: after the others that are ready. */
inline auto yield() {
    return from_poll([asked = false](ouzel_cx *cx) mutable noexcept {
        if (std::exchange(asked, true)) return OUZEL_READY;
        ouzel_wake_self(cx);
        return OUZEL_PENDING;
    });
}

/* `co_await here()`: the runtime this coroutine is on. */
struct here {
    bool await_ready() const noexcept { return false; }
    template <class P> bool await_suspend(std::coroutine_handle<P> awaiter) noexcept {
        rt_ = awaiter.promise().owner->rt;
        return false;
    }
    runtime_ref await_resume() const noexcept { return runtime_ref(rt_); }

private:
    ouzel_runtime *rt_ = nullptr;
};

/* An operation, submitted when it is awaited. `Submit`: int32_t(ouzel_runtime *, const ouzel_op_opts *, ouzel_op *).
 * `Value`: what its result counts as. `lends`: whether memory stays lent until it is over. */
template <class Value, bool lends, class Submit> class [[nodiscard]] operation final : detail::leaf {
public:
    explicit operation(Submit submit) : submit_(std::move(submit)) {}

    /* Cancels it after `time`; if that was in time the error is OUZEL_ETIMEDOUT. */
    operation &&within(std::chrono::nanoseconds time) && noexcept {
        limit_ = time;
        return std::move(*this);
    }

    bool await_ready() const noexcept { return false; }
    template <class P> bool await_suspend(std::coroutine_handle<P> awaiter) noexcept {
        detail::root *here = awaiter.promise().owner;
        ouzel_op_opts opts = {};
        opts.size = sizeof opts;
        if constexpr (lends) {
            opts.ud = here;
            opts.release = detail::root::released;
            here->pin();
        }
        code_ = submit_(here->rt, &opts, &op_);
        if (code_ < 0) {
            if constexpr (lends) here->unpin();
            return false;
        }
        if (limit_.count() >= 0) start_timer(here);
        if (ask(here->cx) != OUZEL_PENDING) return false;
        here->wait(this, awaiter);
        return true;
    }
    result<Value> await_resume() const noexcept {
        int32_t res = code_ < 0 ? code_ : cqe_.res;
        if (late_ && res == -ECANCELED) res = OUZEL_ETIMEDOUT;
        if (res < 0) return error_of(res);
        if constexpr (std::is_void_v<Value>) return {};
        else return static_cast<Value>(res);
    }

private:
    void start_timer(detail::root *here) noexcept {
        uint64_t end = ouzel_cx_now(here->cx) + static_cast<uint64_t>(limit_.count());
        if (ouzel_timer(here->rt, end, 0, nullptr, &timer_) < 0) timer_.gen = 0;
    }
    int32_t ask(ouzel_cx *cx) noexcept override {
        code_ = ouzel_op_poll(op_, cx, &cqe_);
        ouzel_cqe ring;
        if (code_ == OUZEL_PENDING) {
            if (timer_.gen && ouzel_op_poll(timer_, cx, &ring) != OUZEL_PENDING) {
                timer_.gen = 0;
                late_ = true;
                ouzel_op_cancel(op_);
                code_ = ouzel_op_poll(op_, cx, &cqe_);
            }
        }
        if (code_ != OUZEL_PENDING && timer_.gen) ouzel_op_abandon(timer_);
        return code_;
    }
    void let_go() noexcept override {
        if (timer_.gen) ouzel_op_abandon(timer_);
        ouzel_op_abandon(op_);
    }

    Submit submit_;
    std::chrono::nanoseconds limit_{-1};
    ouzel_op op_{}, timer_{};
    ouzel_cqe cqe_{};
    int32_t code_ = OUZEL_OK;
    bool late_ = false;
};

namespace detail {
template <class Value, bool lends, class Submit> operation<Value, lends, Submit> make(Submit submit) {
    return operation<Value, lends, Submit>(std::move(submit));
}
} // namespace detail

/* The operations of ouzel.h, which says what each does. `buf` and `path` are lent until the co_await ends or, if the task
 * ends first, until its frames are destroyed. */

inline auto sleep_until(uint64_t deadline_ns) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_timer(rt, deadline_ns, 0, opts, out);
    });
}
inline auto sleep_for(std::chrono::nanoseconds time) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_timer(rt, ouzel_now(rt) + static_cast<uint64_t>(time.count()), 0, opts, out);
    });
}
inline auto accept(int fd) {
    return detail::make<int, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_accept(rt, fd, opts, out);
    });
}
/* Readiness: the value is the POLL* bits that came. */
inline auto poll_fd(int fd, uint32_t events) {
    return detail::make<uint32_t, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_poll_fd(rt, fd, events, opts, out);
    });
}
inline auto connect(int fd, const sockaddr *addr, uint32_t len) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_connect(rt, fd, addr, len, opts, out);
    });
}
inline auto recv(int fd, void *buf, std::size_t len, uint32_t flags = 0) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_recv(rt, fd, buf, len, flags, opts, out);
    });
}
inline auto send(int fd, const void *buf, std::size_t len, uint32_t flags = 0) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_send(rt, fd, buf, len, flags, opts, out);
    });
}
inline auto read(int fd, void *buf, std::size_t len, int64_t offset = OUZEL_AT_POSITION) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_read(rt, fd, buf, len, offset, opts, out);
    });
}
inline auto write(int fd, const void *buf, std::size_t len, int64_t offset = OUZEL_AT_POSITION) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_write(rt, fd, buf, len, offset, opts, out);
    });
}
/* `msg` and all it points at, and `iov` with its parts, are lent. */
inline auto recvmsg(int fd, msghdr *msg, uint32_t flags = 0) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_recvmsg(rt, fd, msg, flags, opts, out);
    });
}
inline auto sendmsg(int fd, const msghdr *msg, uint32_t flags = 0) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_sendmsg(rt, fd, msg, flags, opts, out);
    });
}
inline auto readv(int fd, const iovec *iov, uint32_t count, int64_t offset = OUZEL_AT_POSITION) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_readv(rt, fd, iov, count, offset, opts, out);
    });
}
inline auto writev(int fd, const iovec *iov, uint32_t count, int64_t offset = OUZEL_AT_POSITION) {
    return detail::make<std::size_t, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_writev(rt, fd, iov, count, offset, opts, out);
    });
}
inline auto openat(int dir, const char *path, int flags, uint32_t mode = 0) {
    return detail::make<int, true>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_openat(rt, dir, path, flags, mode, opts, out);
    });
}
inline auto close(int fd) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_close(rt, fd, opts, out);
    });
}
inline auto fsync(int fd, uint32_t flags = 0) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_fsync(rt, fd, flags, opts, out);
    });
}
inline auto shutdown_fd(int fd, int how) {
    return detail::make<void, false>([=](auto *rt, auto *opts, auto *out) noexcept {
        return ouzel_shutdown_fd(rt, fd, how, opts, out);
    });
}

/* A descriptor that operations are submitted on, closed at the end of its scope, in the background. Loop thread. */
class descriptor {
public:
    descriptor(runtime_ref rt, int fd) noexcept : rt_(rt), fd_(fd) {}
    descriptor(descriptor &&from) noexcept : rt_(from.rt_), fd_(std::exchange(from.fd_, -1)) {}
    descriptor &operator=(descriptor &&) = delete;
    ~descriptor() {
        if (fd_ >= 0 && ouzel_close(rt_.native(), fd_, nullptr, nullptr) < 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }

private:
    runtime_ref rt_;
    int fd_;
};

} // namespace ouzel

#endif /* OUZEL_HPP */
