/* tests/fuzz/replay_main.c — runs a fuzzer's corpus without libFuzzer, so that every build replays it. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);

static void replay(const char *path)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL) {
		perror(path);
		exit(1);
	}
	fseek(file, 0, SEEK_END);
	size_t len = (size_t)ftell(file);
	rewind(file);
	/* Exactly len bytes, so that a sanitizer sees the first byte read beyond them. */
	uint8_t *bytes = malloc(len ? len : 1);
	AB_ASSERT(bytes != NULL);
	AB_ASSERT(fread(bytes, 1, len, file) == len);
	fclose(file);
	LLVMFuzzerTestOneInput(bytes, len);
	free(bytes);
}

int main(int argc, char **argv)
{
	int count = 0;
	for (int i = 1; i < argc; i++) {
		DIR *folder = opendir(argv[i]);
		if (folder == NULL) {
			perror(argv[i]);
			return 1;
		}
		for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
			char path[4096];
			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
			replay(path);
			count++;
		}
		closedir(folder);
	}
	printf("%d inputs replayed\n", count);
	return count > 0 ? 0 : 1;	/* an empty corpus tests nothing */
}
