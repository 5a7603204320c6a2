/* Memory that is refused: whatever needs it says so, nothing is lost, and asked again it does what it was asked for. Each is
 * asked in a runtime of its own with its first request refused, then with its second, until it makes no more. */
#include "refusing.h"

static int32_t waits(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return OUZEL_PENDING;
}

static int32_t succeeds(void *ud, ouzel_cx *cx) {
    (void)ud;
    (void)cx;
    return OUZEL_READY;
}

static int32_t detached(ouzel_runtime *rt) {
    ouzel_task_opts opts = duty(OUZEL_TASK_DETACHED);
    return ASK(ouzel_spawn(rt, waits, &ended, &opts, NULL));
}

static int32_t detached_with_id(ouzel_runtime *rt) {
    ouzel_task_opts opts = duty(OUZEL_TASK_DETACHED);
    ouzel_task task = {7, 7}, before = task;
    ASK(ouzel_spawn(rt, waits, &ended, &opts, &task));
    CHECK((memcmp(&task, &before, sizeof task) == 0) == (asked != OUZEL_OK));
    return asked;
}

static int32_t joined(ouzel_runtime *rt) {
    ouzel_task_opts opts = duty(0);
    ouzel_task task = {7, 7}, before = task;
    ASK(ouzel_spawn(rt, succeeds, &ended, &opts, &task));
    CHECK((memcmp(&task, &before, sizeof task) == 0) == (asked != OUZEL_OK));
    if (asked == OUZEL_OK) {
        int32_t result = 7;
        CHECK_IS(ouzel_block_on(rt, task, 20ull * SECOND, &result), OUZEL_OK);
        CHECK_IS(result, OUZEL_OK);
    }
    return asked;
}

static int32_t with_everything(ouzel_runtime *rt) {
    ouzel_group group;
    ouzel_task task;
    CHECK_IS(ouzel_group_new(rt, &group), OUZEL_OK);
    ouzel_task_opts opts = duty(0);
    opts.name = "everything";
    opts.deadline_ns = ouzel_now(rt) + 1000ull * SECOND;
    opts.group = group;
    ASK(ouzel_spawn(rt, waits, &ended, &opts, &task));
    if (asked == OUZEL_OK) CHECK_IS(ouzel_group_cancel(group), 1);
    if (asked == OUZEL_OK) CHECK_IS(ouzel_block_on(rt, task, 20ull * SECOND, NULL), OUZEL_OK);
    CHECK_IS(ouzel_group_free(group), OUZEL_OK); /* who was refused is no member */
    return asked;
}

static int32_t batch(ouzel_runtime *rt) {
    ouzel_task_opts opts[3];
    ouzel_spawn_desc descs[3];
    ouzel_task tasks[3];
    for (int i = 0; i < 3; i++) {
        opts[i] = duty(0);
        descs[i].poll = succeeds;
        descs[i].ud = &ended;
        descs[i].opts = &opts[i];
    }
    int before = ended;
    ASK(ouzel_spawn_batch(rt, descs, 3, tasks));
    int begun = asked < 0 ? 0 : asked;
    if (asked < 0) CHECK(ended == before + 3);
    for (int i = 0; i < begun; i++) CHECK_IS(ouzel_block_on(rt, tasks[i], 20ull * SECOND, NULL), OUZEL_OK);
    CHECK(ended == before + 3);
    return asked < 0 ? asked : asked < 3 ? OUZEL_ENOMEM : OUZEL_OK;
}

static void *spawns(void *rt) {
    ouzel_task_opts opts = duty(0);
    ouzel_task task;
    ASK(ouzel_spawn_from(ouzel_runtime_id(rt), succeeds, &ended, &opts, &task));
    if (asked == OUZEL_OK) CHECK_IS(ouzel_task_cancel(task), OUZEL_OK);
    return NULL;
}

static int32_t from_elsewhere(ouzel_runtime *rt) {
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, spawns, rt) == 0 && pthread_join(thread, NULL) == 0);
    return asked;
}

static int32_t group(ouzel_runtime *rt) {
    ouzel_group group;
    ASK(ouzel_group_new(rt, &group));
    if (asked == OUZEL_OK) CHECK_IS(ouzel_group_free(group), OUZEL_OK);
    return asked;
}

static int32_t semaphore(ouzel_runtime *rt) {
    ouzel_sem sem;
    ASK(ouzel_sem_new(rt, 1, &sem));
    if (asked == OUZEL_OK) CHECK_IS(ouzel_sem_try_acquire(sem, 1), OUZEL_READY);
    if (asked == OUZEL_OK) CHECK_IS(ouzel_sem_free(sem), OUZEL_OK);
    return asked;
}

static int32_t channel(ouzel_runtime *rt) {
    ouzel_chan chan;
    int elem = 5, other = 0;
    ASK(ouzel_chan_new(rt, 3, sizeof elem, &chan));
    if (asked == OUZEL_OK) {
        CHECK_IS(ouzel_chan_try_send(chan, &elem), OUZEL_READY);
        CHECK_IS(ouzel_chan_try_recv(chan, &other), OUZEL_READY);
        CHECK(other == elem);
        CHECK_IS(ouzel_chan_free(chan), OUZEL_OK);
    }
    return asked;
}

static int32_t function(ouzel_runtime *rt) {
    ouzel_waker waker;
    atomic_fetch_add(&owed, 1);
    ASK(ouzel_waker_from_fn(rt, ends, &ended, NULL, &waker));
    if (asked == OUZEL_OK) CHECK_IS(ouzel_wake(waker), 1);
    if (asked == OUZEL_OK) CHECK_IS(ouzel_waker_release(waker), OUZEL_OK);
    else atomic_fetch_sub(&owed, 1);
    return asked;
}

/* ---- a task that waits -------------------------------------------------------------------------------------------- */

static ouzel_sem the_sem;
static ouzel_chan the_chan;
static ouzel_group the_group;
static uint32_t the_word, the_key;
static atomic_bool has_asked;

typedef int32_t wait_fn(ouzel_cx *cx);

static int32_t waits_for_a_permit(ouzel_cx *cx) { return ouzel_sem_poll_acquire(the_sem, cx, 1); }

static int32_t waits_for_room(ouzel_cx *cx) {
    int elem = 3;
    return ouzel_chan_poll_send(the_chan, cx, &elem);
}

static int32_t waits_for_an_element(ouzel_cx *cx) {
    int elem;
    return ouzel_chan_poll_recv(the_chan, cx, &elem);
}

static int32_t waits_at_an_address(ouzel_cx *cx) { return ouzel_wait_addr(cx, &the_word, 0, OUZEL_FOREVER); }

static int32_t waits_at_an_address_for_long(ouzel_cx *cx) {
    return ouzel_wait_addr(cx, &the_word, 0, ouzel_cx_now(cx) + 1000ull * SECOND);
}

static int32_t waits_for_a_group(ouzel_cx *cx) { return ouzel_group_poll_empty(the_group, cx); }

static void ends_value(void *value) { ends(value); }

static int32_t sets_a_value(ouzel_cx *cx) {
    int32_t err = ouzel_local_set(cx, the_key, &ended, ends_value);
    if (err == OUZEL_OK) atomic_fetch_add(&owed, 1);
    return err == OUZEL_OK ? OUZEL_PENDING : err;
}

static wait_fn *the_wait;

/* Waits for it: refused, then again, as often as it is polled. */
static int32_t waiter(void *ud, ouzel_cx *cx) {
    CHECK(ud == &ended);
    if (!has_asked) {
        ASK(the_wait(cx));
        CHECK(asked == OUZEL_PENDING || asked == OUZEL_ENOMEM);
        if (asked == OUZEL_ENOMEM) CHECK_IS(the_wait(cx), OUZEL_PENDING);
        has_asked = true;
        return OUZEL_PENDING;
    }
    return the_wait == sets_a_value ? OUZEL_READY : the_wait(cx);
}

static int32_t in_a_task(ouzel_runtime *rt, wait_fn *wait, void (*serve)(ouzel_runtime *rt)) {
    ouzel_task_opts opts = duty(0);
    ouzel_task task;
    int32_t result = 7;
    the_wait = wait;
    has_asked = false;
    CHECK_IS(ouzel_spawn(rt, waiter, &ended, &opts, &task), OUZEL_OK);
    UNTIL(rt, has_asked);
    int32_t said = asked;
    serve(rt);
    if (wait == sets_a_value) CHECK(ouzel_wake(waker_of(task)) >= 0);
    CHECK_IS(ouzel_block_on(rt, task, 20ull * SECOND, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_OK);
    return said == OUZEL_PENDING ? OUZEL_OK : said;
}

static void gives_a_permit(ouzel_runtime *rt) {
    (void)rt;
    CHECK_IS(ouzel_sem_release(the_sem, 1), OUZEL_OK);
}

static int32_t permit(ouzel_runtime *rt) {
    CHECK_IS(ouzel_sem_new(rt, 0, &the_sem), OUZEL_OK);
    int32_t err = in_a_task(rt, waits_for_a_permit, gives_a_permit);
    CHECK_IS(ouzel_sem_free(the_sem), OUZEL_OK);
    return err;
}

static void takes_an_element(ouzel_runtime *rt) {
    int elem = 0;
    (void)rt;
    CHECK_IS(ouzel_chan_try_recv(the_chan, &elem), OUZEL_READY);
    CHECK(elem == 9);
}

static int32_t room(ouzel_runtime *rt) {
    int elem = 9;
    CHECK_IS(ouzel_chan_new(rt, 1, sizeof elem, &the_chan), OUZEL_OK);
    CHECK_IS(ouzel_chan_try_send(the_chan, &elem), OUZEL_READY);
    int32_t err = in_a_task(rt, waits_for_room, takes_an_element);
    CHECK_IS(ouzel_chan_try_recv(the_chan, &elem), OUZEL_READY);
    CHECK(elem == 3);
    CHECK_IS(ouzel_chan_free(the_chan), OUZEL_OK);
    return err;
}

static void sends_an_element(ouzel_runtime *rt) {
    int elem = 4;
    (void)rt;
    CHECK_IS(ouzel_chan_try_send(the_chan, &elem), OUZEL_READY);
}

static int32_t element(ouzel_runtime *rt) {
    CHECK_IS(ouzel_chan_new(rt, 1, sizeof(int), &the_chan), OUZEL_OK);
    int32_t err = in_a_task(rt, waits_for_an_element, sends_an_element);
    CHECK_IS(ouzel_chan_free(the_chan), OUZEL_OK);
    return err;
}

static void changes_the_word(ouzel_runtime *rt) {
    __atomic_store_n(&the_word, 1, __ATOMIC_RELEASE);
    CHECK_IS(ouzel_wake_addr(ouzel_runtime_id(rt), &the_word, 1), 1);
}

static int32_t address(ouzel_runtime *rt) {
    the_word = 0;
    return in_a_task(rt, waits_at_an_address, changes_the_word);
}

static int32_t address_for_long(ouzel_runtime *rt) {
    the_word = 0;
    return in_a_task(rt, waits_at_an_address_for_long, changes_the_word);
}

static void cancels_the_group(ouzel_runtime *rt) {
    (void)rt;
    CHECK_IS(ASK(ouzel_group_cancel(the_group)), 1); /* that needs no memory */
}

static int32_t empty_group(ouzel_runtime *rt) {
    CHECK_IS(ouzel_group_new(rt, &the_group), OUZEL_OK);
    ouzel_task_opts opts = duty(OUZEL_TASK_DETACHED);
    opts.group = the_group;
    CHECK_IS(ouzel_spawn(rt, waits, &ended, &opts, NULL), OUZEL_OK);
    int32_t err = in_a_task(rt, waits_for_a_group, cancels_the_group);
    CHECK_IS(ouzel_group_free(the_group), OUZEL_OK);
    return err;
}

static void serves_nothing(ouzel_runtime *rt) { (void)rt; }

static int32_t value(ouzel_runtime *rt) {
    if (the_key == 0) CHECK_IS(ouzel_key_new(&the_key), OUZEL_OK);
    return in_a_task(rt, sets_a_value, serves_nothing);
}

/* Its timer is set by the first poll, which nobody hears of. */
static int32_t deadline(ouzel_runtime *rt) {
    ouzel_task_opts opts = duty(0);
    ouzel_task task;
    int32_t result = 7;
    opts.deadline_ns = ouzel_now(rt) + 2 * MS;
    CHECK_IS(ouzel_spawn(rt, waits, &ended, &opts, &task), OUZEL_OK);
    CHECK_IS(ASK(ouzel_run_nowait(rt, 0, NULL)), OUZEL_OK);
    CHECK_IS(ouzel_block_on(rt, task, 20ull * SECOND, &result), OUZEL_OK);
    CHECK_IS(result, OUZEL_ECANCELED);
    return was_refused && request >= 0 ? OUZEL_ENOMEM : OUZEL_OK;
}

/* Does what it is for, if there is one, and is freed. */
static int32_t use(ouzel_runtime *rt) {
    CHECK((rt == NULL) == (asked != OUZEL_OK));
    if (rt == NULL) return asked;
    CHECK_IS(run_task(rt, succeeds, NULL), OUZEL_OK);
    return ouzel_runtime_free(rt);
}

static int32_t runtime(ouzel_runtime *rt) {
    ouzel_options options = the_options();
    (void)rt;
    ouzel_runtime *another = NULL;
    ASK(ouzel_runtime_new(&options, &another));
    return use(another) == OUZEL_OK ? OUZEL_OK : asked;
}

/* The threads that it starts get nothing, either. */
static int32_t runtime_in_need(ouzel_runtime *rt) {
    ouzel_options options = the_options();
    (void)rt;
    ouzel_runtime *another = NULL;
    if (the_workers > 0) options.workers = 16;
    all_left = request;
    asked = ouzel_runtime_new(&options, &another);
    all_left = -1;
    return use(another) == OUZEL_OK ? OUZEL_OK : asked;
}

static const scenario scenarios[] = {
    ANYWHERE(detached), ANYWHERE(detached_with_id), ANYWHERE(joined), ANYWHERE(with_everything), ANYWHERE(batch),
    ANYWHERE(from_elsewhere), ANYWHERE(group), ANYWHERE(semaphore), ANYWHERE(channel), ANYWHERE(function),
    ANYWHERE(permit), ANYWHERE(room), ANYWHERE(element), ANYWHERE(address), ANYWHERE(address_for_long), ANYWHERE(empty_group), ANYWHERE(value),
    ON_THE_LOOP(deadline), ANYWHERE(runtime), ANYWHERE(runtime_in_need),
};

static void what_was_refused_memory_can_be_asked_for_again(void) { refuse_each_request(); }

int main(int argc, char **argv) {
    const test all[] = {
        TEST(what_was_refused_memory_can_be_asked_for_again),
    };
    return each(scenarios, sizeof scenarios / sizeof *scenarios, all, argc, argv);
}
