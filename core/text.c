/* core/text.c — see text.h. */
#include "core/text.h"

#include <dirent.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <unistd.h>

#define FIRST_ROOM_BYTES 512

struct ab_text_out ab_text_begin(void)
{
	struct ab_text_out out = {.text = malloc(FIRST_ROOM_BYTES), .room = FIRST_ROOM_BYTES};

	AB_ASSERT(out.text != NULL);
	out.text[0] = 0;
	return out;
}

void ab_text_add(struct ab_text_out *out, const char *format, ...)
{
	va_list args, again;

	va_start(args, format);
	va_copy(again, args);
	int len = vsnprintf(out->text + out->len, out->room - out->len, format, args);
	va_end(args);
	AB_ASSERT(len >= 0);
	if ((size_t)len >= out->room - out->len) {
		while (out->room - out->len <= (size_t)len)
			out->room *= 2;
		out->text = realloc(out->text, out->room);
		AB_ASSERT(out->text != NULL);
		vsnprintf(out->text + out->len, out->room - out->len, format, again);
	}
	va_end(again);
	out->len += (size_t)len;
}

static int open_fds(void)
{
	DIR *folder = opendir("/proc/self/fd");
	int count = 0;

	if (folder == NULL)
		return 0;
	while (readdir(folder) != NULL)
		count++;
	closedir(folder);
	return count - 3; /* ".", ".." and the folder itself */
}

void ab_text_process_metrics(struct ab_text_out *out)
{
	struct rusage usage;
	struct rlimit limit;
	long pages = 0;
	FILE *file = fopen("/proc/self/statm", "r");

	if (file != NULL) {
		if (fscanf(file, "%*d %ld", &pages) != 1)
			pages = 0;
		fclose(file);
	}
	getrusage(RUSAGE_SELF, &usage);
	getrlimit(RLIMIT_NOFILE, &limit);
	ab_text_add(out, "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.6f\n",
		    (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
			(double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6);
	ab_text_add(out, "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n",
		    pages * sysconf(_SC_PAGESIZE));
	ab_text_add(out, "# TYPE process_open_fds gauge\nprocess_open_fds %d\n", open_fds());
	ab_text_add(out, "# TYPE process_max_fds gauge\nprocess_max_fds %llu\n", (unsigned long long)limit.rlim_cur);
}
