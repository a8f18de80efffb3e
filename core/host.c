/* core/host.c — see host.h. */
#include "core/host.h"

#include <errno.h>
#include <inttypes.h>
#include <liburing.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/resource.h>

/* One for a worker with its part of librdkafka, one for a sink thread. */
#define CORES_WANTED 2

static struct ab_host_row *add(struct ab_host_row *row, int *count, const char *what, const char *why)
{
	struct ab_host_row *one = &row[(*count)++];

	AB_ASSERT(*count <= AB_HOST_ROWS_MAX);
	*one = (struct ab_host_row){.what = what, .why = why, .command = ""};
	return one;
}

static void AB_PRINTF(2, 3) say(char *to, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(to, AB_HOST_TEXT_BYTES, format, args);
	va_end(args);
}

static void judge(struct ab_host_row *row, bool good, enum ab_host_colour otherwise, const char *command)
{
	row->colour = good ? AB_HOST_GREEN : otherwise;
	row->command = good ? "" : command;
}

static void judge_cores(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%d", host->cores);
	say(row->should, "%d or more", CORES_WANTED);
	judge(row, host->cores >= CORES_WANTED, AB_HOST_YELLOW,
	      "widen the CPU set of its container or service (docker update --cpuset-cpus)");
}

static void judge_uring(const struct ab_host *host, struct ab_host_row *row)
{
	bool forbidden = host->uring_error == EPERM || host->uring_error == EACCES;

	say(row->is, "%s", host->uring_error == 0 ? "works" : strerror(host->uring_error));
	say(row->should, "works");
	judge(row, host->uring_error == 0, AB_HOST_YELLOW,
	      forbidden ? "sysctl -w kernel.io_uring_disabled=0; in Docker a seccomp profile that allows io_uring_*"
			: "Linux 5.15 or newer; ulimit -l 1024");
}

static void judge_huge_pages(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%s", host->huge_pages[0] ? host->huge_pages : "not told");
	say(row->should, "[madvise] or [always]");
	judge(row, strstr(host->huge_pages, "[never]") == NULL, AB_HOST_YELLOW,
	      "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled");
}

static void judge_governor(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%s", host->governor[0] ? host->governor : "not told (a virtual machine has none)");
	say(row->should, "performance");
	judge(row, host->governor[0] == '\0' || strcmp(host->governor, "performance") == 0, AB_HOST_YELLOW,
	      "cpupower frequency-set -g performance");
}

static void judge_clock(const struct ab_host *host, struct ab_host_row *row)
{
	bool slow = strcmp(host->clock, "hpet") == 0 || strcmp(host->clock, "acpi_pm") == 0;

	say(row->is, "%s", host->clock[0] ? host->clock : "not told");
	say(row->should, "tsc or kvm-clock");
	judge(row, !slow, AB_HOST_YELLOW, "echo tsc > /sys/devices/system/clocksource/clocksource0/current_clocksource");
}

static void judge_files(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%" PRId64, host->files_max);
	say(row->should, "%" PRId64 " or more", host->files_needed);
	judge(row, host->files_max >= host->files_needed, AB_HOST_RED, "ulimit -n 65536; LimitNOFILE=65536 in its service file");
}

static void judge_memory(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%" PRId64 " MB free", host->memory_free_bytes / 1000000);
	say(row->should, "%" PRId64 " MB, the bound above", host->memory_needed_bytes / 1000000);
	judge(row, host->memory_free_bytes < 0 || host->memory_free_bytes >= host->memory_needed_bytes, AB_HOST_RED,
	      "lower *_SINK_PARALLELISM, *_MAX_BUFFER_SIZE or RECORD_MAX_BYTES, or give it more memory");
}

static void judge_receive(const struct ab_host *host, struct ab_host_row *row)
{
	say(row->is, "%" PRId64, host->receive_max_bytes);
	say(row->should, "%" PRId64 ", KAFKA_RECEIVE_BUFFER_BYTES", host->receive_wanted_bytes);
	judge(row, host->receive_max_bytes < 0 || host->receive_max_bytes >= host->receive_wanted_bytes, AB_HOST_YELLOW,
	      "sysctl -w net.core.rmem_max=1048576, or KAFKA_RECEIVE_BUFFER_BYTES=0 (the kernel then decides)");
}

int ab_host_judge(const struct ab_host *host, struct ab_host_row row[AB_HOST_ROWS_MAX])
{
	int count = 0;

	judge_cores(host, add(row, &count, "cores", "a worker and a sink thread work at the same time"));
	judge_uring(host, add(row, &count, "io_uring", "one system call per turn of a sink thread; without it epoll is used"));
	judge_huge_pages(host, add(row, &count, "huge pages", "chunks, batches and contents lie in them: 3 to 8 % less CPU"));
	judge_governor(host, add(row, &count, "CPU governor", "a clock that sleeps between bursts is latency"));
	judge_clock(host, add(row, &count, "clock", "it is read several times per batch: 23 ns with these, over 1,000 with others"));
	judge_files(host, add(row, &count, "open files", "a connection per lane, librdkafka's to each broker, eventfds"));
	judge_memory(host, add(row, &count, "memory", "all of it is taken at start; less means being killed under load"));
	judge_receive(host, add(row, &count, "socket buffers", "the kernel cuts what is asked for at net.core.rmem_max"));
	return count;
}

/* The first line of a file, without its end; "" when it cannot be read. */
static void read_line(const char *path, char *to, size_t room)
{
	FILE *file = fopen(path, "re");

	to[0] = '\0';
	if (file == NULL)
		return;
	if (fgets(to, (int)room, file) == NULL)
		to[0] = '\0';
	to[strcspn(to, "\n")] = '\0';
	fclose(file);
}

static int64_t read_number(const char *path)
{
	char text[64], *end;

	read_line(path, text, sizeof text);
	int64_t value = strtoll(text, &end, 10);
	return end != text ? value : -1;
}

/* The machine's, or what the container's limit leaves of it. */
static int64_t free_memory(void)
{
	int64_t limit = read_number("/sys/fs/cgroup/memory.max"), used = read_number("/sys/fs/cgroup/memory.current");
	int64_t kilobytes, free_bytes = -1;
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];

	while (file != NULL && fgets(line, sizeof line, file) != NULL) {
		if (sscanf(line, "MemAvailable: %" SCNd64, &kilobytes) == 1)
			free_bytes = kilobytes * 1024;
	}
	if (file != NULL)
		fclose(file);
	if (limit > 0 && used >= 0 && (free_bytes < 0 || limit - used < free_bytes))
		return limit - used;
	return free_bytes;
}

static int try_uring(void)
{
	struct io_uring ring;
	int result = io_uring_queue_init(8, &ring, 0);

	if (result < 0)
		return -result;
	io_uring_queue_exit(&ring);
	return 0;
}

struct ab_host ab_host_read(void)
{
	struct ab_host host = {.cores = 1};
	struct rlimit files = {0};
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof set, &set) == 0)
		host.cores = CPU_COUNT(&set);
	getrlimit(RLIMIT_NOFILE, &files);
	host.files_max = files.rlim_cur == RLIM_INFINITY ? INT64_MAX : (int64_t)files.rlim_cur;
	host.uring_error = try_uring();
	read_line("/sys/kernel/mm/transparent_hugepage/enabled", host.huge_pages, sizeof host.huge_pages);
	read_line("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", host.governor, sizeof host.governor);
	read_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", host.clock, sizeof host.clock);
	host.memory_free_bytes = free_memory();
	host.receive_max_bytes = read_number("/proc/sys/net/core/rmem_max");
	return host;
}

bool ab_host_print(const struct ab_host *host, FILE *to)
{
	static const char *const colours[] = {"green", "YELLOW", "RED"};
	struct ab_host_row row[AB_HOST_ROWS_MAX];
	int count = ab_host_judge(host, row);
	bool red = false;

	fprintf(to, "this host:\n");
	for (int i = 0; i < count; i++) {
		red |= row[i].colour == AB_HOST_RED;
		fprintf(to, "  %-6s  %-14s  %s; should be %s\n", colours[row[i].colour], row[i].what, row[i].is, row[i].should);
		if (row[i].colour != AB_HOST_GREEN)
			fprintf(to, "          why: %s\n          do:  %s\n", row[i].why, row[i].command);
	}
	return red;
}
