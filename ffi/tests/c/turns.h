/* turns.h - lets a runtime run, whoever drives it. */
#ifndef TURNS_H
#define TURNS_H

#include "check.h"

/* Runs a host-driven runtime for a while; one with workers runs by itself. */
static inline void let_run(ouzel_runtime *rt) {
    if (the_workers) {
        usleep(20000);
        return;
    }
    for (int i = 0; i < 20; i++) CHECK_IS(ouzel_run_nowait(rt, 0, NULL), OUZEL_OK);
}

#endif
