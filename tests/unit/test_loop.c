/* tests/unit/test_loop.c — the step, its waits and its wakes, over both back ends. */
#include "io/loop.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/clock.h"

#define STORY(name)                                                        \
	static void name(enum ab_io_backend backend);                      \
	Test(loop, name##_over_io_uring, .timeout = 30) { name(AB_IO_URING); } \
	Test(loop, name##_over_epoll, .timeout = 30) { name(AB_IO_EPOLL); }    \
	static void name(enum ab_io_backend backend)

static struct ab_loop *make(enum ab_io_backend backend, int conn_max)
{
	char error[256] = "";
	struct ab_loop *loop = ab_loop_create(backend, conn_max, error);

	if (loop == NULL)
		cr_skip_test("%s", error);
	return loop;
}

static int64_t step_ns(struct ab_loop *loop, int64_t timeout_ns)
{
	int64_t begin_ns = ab_monotonic_ns();

	ab_loop_step(loop, timeout_ns);
	return ab_monotonic_ns() - begin_ns;
}

STORY(a_step_waits_as_long_as_it_is_told)
{
	struct ab_loop *loop = make(backend, 0);	/* a loop without connections is one too */

	cr_expect_str_eq(ab_loop_backend(loop, NULL), backend == AB_IO_URING ? "io_uring" : "epoll");
	cr_expect_lt(step_ns(loop, 0), 20 * AB_NS_PER_MS);
	int64_t waited_ns = step_ns(loop, 30 * AB_NS_PER_MS);
	cr_expect_geq(waited_ns, 30 * AB_NS_PER_MS);
	cr_expect_lt(waited_ns, 2 * AB_NS_PER_S);
	cr_expect_geq(step_ns(loop, 300000), 300000);	/* below a millisecond too */
	cr_expect_leq(ab_monotonic_ns() - ab_loop_now_ns(loop), AB_NS_PER_S);
	cr_expect_eq(ab_loop_counts(loop).steps, 3);
	cr_expect_eq(ab_loop_counts(loop).waits, 2);
	cr_expect_eq(ab_loop_counts(loop).wakes, 0);
	ab_loop_destroy(loop);
}

STORY(a_wake_before_the_step_ends_it_at_once_and_only_it)
{
	struct ab_loop *loop = make(backend, 4);

	ab_loop_wake(loop);
	ab_loop_wake(loop);
	cr_expect_lt(step_ns(loop, 10 * AB_NS_PER_S), AB_NS_PER_S);
	cr_expect_geq(step_ns(loop, 30 * AB_NS_PER_MS), 30 * AB_NS_PER_MS);
	cr_expect_eq(ab_loop_counts(loop).wakes, 1);
	ab_loop_destroy(loop);
}

static void *wake_later(void *arg)
{
	usleep(30000);
	ab_loop_wake(arg);
	return NULL;
}

STORY(a_wake_from_another_thread_ends_a_wait_without_time_out)
{
	struct ab_loop *loop = make(backend, 4);
	pthread_t thread;

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(pthread_create(&thread, NULL, wake_later, loop), 0);
		ab_loop_step(loop, -1);
		pthread_join(thread, NULL);
		cr_expect_eq(ab_loop_counts(loop).wakes, (uint64_t)i + 1);
	}
	ab_loop_destroy(loop);
}

static void *step_once(void *arg)
{
	ab_loop_step(arg, 10 * AB_NS_PER_MS);
	return NULL;
}

STORY(a_loop_may_be_made_on_one_thread_and_stepped_on_another)
{
	struct ab_loop *loop = make(backend, 4);
	pthread_t thread;

	cr_assert_eq(pthread_create(&thread, NULL, step_once, loop), 0);
	pthread_join(thread, NULL);
	cr_expect_eq(ab_loop_counts(loop).steps, 1);
	ab_loop_destroy(loop);
}

/* What Docker's default profile does. */
static void refuse_io_uring(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),		/* the call's number */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {AB_COUNT(filter), filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		cr_skip_test("no seccomp here");
}

Test(loop, auto_takes_epoll_where_io_uring_is_refused_and_says_why)
{
	char error[256] = "";
	const char *why;

	refuse_io_uring();
	struct ab_loop *loop = ab_loop_create(AB_IO_AUTO, 4, error);
	cr_assert_not_null(loop, "%s", error);
	cr_expect_str_eq(ab_loop_backend(loop, &why), "epoll");
	cr_expect(strstr(why, "seccomp") != NULL, "%s", why);
	cr_expect_str_eq(error, "");
	ab_loop_step(loop, 0);
	ab_loop_destroy(loop);
}

Test(loop, io_uring_that_was_asked_for_and_is_refused_is_an_error)
{
	char error[256] = "";

	refuse_io_uring();
	cr_expect_null(ab_loop_create(AB_IO_URING, 4, error));
	cr_expect(strstr(error, "io_uring") != NULL && strstr(error, "not permitted") != NULL, "%s", error);
}
