/* What the C compiler makes of ouzel.h, for test.zig to compare with. */
#include "ouzel.h"

const size_t ouzel_test_layout[64] = {
    sizeof(ouzel_options), offsetof(ouzel_options, blocking_idle_ns), offsetof(ouzel_options, buf_size),
    sizeof(ouzel_tick), offsetof(ouzel_tick, more),
    sizeof(ouzel_task_opts), offsetof(ouzel_task_opts, drop), offsetof(ouzel_task_opts, group),
    sizeof(ouzel_spawn_desc), sizeof(ouzel_task_info), offsetof(ouzel_task_info, ud),
    sizeof(ouzel_allocator), offsetof(ouzel_allocator, ctx), sizeof(ouzel_worker_stats),
    sizeof(ouzel_cqe), offsetof(ouzel_cqe, buf_len), offsetof(ouzel_cqe, extra),
    sizeof(ouzel_op_opts), offsetof(ouzel_op_opts, waker), offsetof(ouzel_op_opts, release),
    sizeof(ouzel_stats), offsetof(ouzel_stats, allocs), sizeof(ouzel_waker),
    OUZEL_ABI_VERSION, OUZEL_SEND_LAZY, OUZEL_CQE_CANCELLED, -OUZEL_ENOTSUP, -OUZEL_ECLOSED,
};
const size_t ouzel_test_layout_len = 28;
