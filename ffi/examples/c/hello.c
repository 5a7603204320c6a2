/* hello - a first program: one task that waits on a timer three times, joined by the main function.
 *
 *     cc hello.c -I include -L lib -louzel -lpthread -o hello
 */
#include "ouzel.h"

#include <stdio.h>

#define SECOND 1000000000u

typedef struct hello {
    int said;
    ouzel_op timer;
} hello;

static int32_t hello_poll(void *ud, ouzel_cx *cx) {
    hello *h = ud;
    for (;;) {
        if (h->timer.gen == 0) {
            int32_t err = ouzel_timer(ouzel_cx_runtime(cx), ouzel_cx_now(cx) + SECOND / 20, 0, NULL, &h->timer);
            if (err < 0) return err;
        }
        ouzel_cqe cqe;
        int32_t got = ouzel_op_poll(h->timer, cx, &cqe);
        if (got != OUZEL_READY) return got; /* pending, or an error */
        h->timer.gen = 0;
        printf("hello %d\n", ++h->said);
        if (h->said == 3) return OUZEL_READY;
    }
}

int main(void) {
    ouzel_runtime *rt;
    ouzel_task task;
    hello h = {0, {0, 0}};
    int32_t result = 0, err = ouzel_check_abi(OUZEL_ABI_VERSION);
    if (err >= 0) err = ouzel_runtime_new(NULL, &rt);
    if (err < 0) {
        fprintf(stderr, "hello: %s\n", ouzel_err_text(err));
        return 1;
    }
    err = ouzel_spawn(rt, hello_poll, &h, NULL, &task);
    if (err >= 0) err = ouzel_block_on(rt, task, OUZEL_FOREVER, &result);
    printf("driver %s, result %d\n", ouzel_driver_name((uint32_t)ouzel_runtime_driver(rt)), (int)result);
    ouzel_runtime_free(rt);
    return err < 0 || result < 0;
}
