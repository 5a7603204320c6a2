/* core_hello - a task on libouzel_core.a, driven by a loop of the program's own: here, one that never has to sleep.
 *
 *     cc core_hello.c -I include libouzel_core.a -Wl,--gc-sections -o core_hello
 */
#include "ouzel_core.h"

#include <stdio.h>
#include <stdlib.h>

static void *get(void *ud, size_t size, size_t align) {
    (void)ud;
    void *p;
    return posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) == 0 ? p : NULL;
}

static void give_back(void *ud, void *p, size_t size, size_t align) {
    (void)ud;
    (void)size;
    (void)align;
    free(p);
}

static void wake_up(void *ud) { (void)ud; /* where the loop sleeps: ends that */ }

static void broken(void *ud) {
    (void)ud;
    abort();
}

static int32_t hello(void *ud, ouzel_cx *cx) {
    int *left = ud;
    if (*left > 0) {
        --*left;
        ouzel_wake_self(cx);
        return OUZEL_PENDING;
    }
    puts("hello from a task on a loop of its own");
    return OUZEL_READY;
}

int main(void) {
    ouzel_core_host host = {sizeof host, 0, NULL, get, give_back, wake_up, broken};
    ouzel_runtime *rt;
    int left = 3;
    if (ouzel_check_abi(OUZEL_ABI_VERSION) != OUZEL_OK || ouzel_core_new(&host, &rt) != OUZEL_OK) return 1;
    if (ouzel_spawn(rt, hello, &left, NULL, NULL) != OUZEL_OK) return 2;
    while (ouzel_live_tasks(rt) > 0) {
        if (ouzel_run_nowait(rt, 0, NULL) != OUZEL_OK) return 3;
    }
    return ouzel_runtime_free(rt) == OUZEL_OK ? 0 : 4;
}
