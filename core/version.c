/* core/version.c — see version.h. */
#include "core/version.h"

#include <curl/curl.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <librdkafka/rdkafka.h>
#include <microhttpd.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <pg_config.h>
#include <string.h>
#include <sys/utsname.h>

#include "core/json.h"

/* Libraries whose C headers do not say: the build does, from pkg-config. */
#ifndef AB_LIBURING_VERSION
#define AB_LIBURING_VERSION "unknown"
#endif
#ifndef AB_SIMDJSON_VERSION
#define AB_SIMDJSON_VERSION "unknown"
#endif
#ifndef AB_ISAL_VERSION
#define AB_ISAL_VERSION "unknown"
#endif

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

#if defined(__clang__)
#define COMPILER "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#else
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#endif

#if defined(__SANITIZE_ADDRESS__)
#define SANITIZER " address-sanitizer"
#elif defined(__SANITIZE_THREAD__)
#define SANITIZER " thread-sanitizer"
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZER " address-sanitizer"
#elif __has_feature(thread_sanitizer)
#define SANITIZER " thread-sanitizer"
#endif
#endif
#ifndef SANITIZER
#define SANITIZER ""
#endif

#ifdef __OPTIMIZE__
#define OPTIMIZED "optimized"
#else
#define OPTIMIZED "not-optimized"
#endif

#if defined(__AVX512F__)
#define BASELINE " x86-64-v4"
#elif defined(__AVX2__)
#define BASELINE " x86-64-v3"
#elif defined(__SSE4_2__)
#define BASELINE " x86-64-v2"
#else
#define BASELINE ""
#endif

#ifdef _FORTIFY_SOURCE
#define FORTIFIED " fortified"
#else
#define FORTIFIED ""
#endif

#define FLAGS OPTIMIZED BASELINE FORTIFIED SANITIZER

/* More than we stand on. */
#define LIBRARIES_MAX 16

struct library {
	const char *name;
	char compiled[48], running[48];		/* running == "": it cannot be asked */
};

const char *ab_version(void)
{
	return AB_VERSION;
}

static struct library library(const char *name, const char *compiled, const char *running)
{
	struct library library = {.name = name};

	snprintf(library.compiled, sizeof library.compiled, "%s", compiled);
	snprintf(library.running, sizeof library.running, "%s", running);
	return library;
}

/* 0x020800ff is 2.8.0. */
static struct library rdkafka(void)
{
	char text[48];

	snprintf(text, sizeof text, "%d.%d.%d", RD_KAFKA_VERSION >> 24 & 0xff, RD_KAFKA_VERSION >> 16 & 0xff,
		 RD_KAFKA_VERSION >> 8 & 0xff);
	return library("librdkafka", text, rd_kafka_version_str());
}

/* 150020 is 15.20. */
static struct library libpq(void)
{
	char text[48];
	int version = PQlibVersion();

	snprintf(text, sizeof text, "%d.%d", version / 10000, version % 10000);
	return library("libpq", TEXT(PG_MAJORVERSION_NUM) "." TEXT(PG_MINORVERSION_NUM), text);
}

static const char *machine(void)
{
	static struct utsname host;

	AB_ASSERT(uname(&host) == 0);
	return host.machine;
}

/* Fills libraries, returns their number. */
static size_t list(struct library *to)
{
	size_t count = 0;

	to[count++] = rdkafka();
	to[count++] = library("liburing", AB_LIBURING_VERSION, "");
	to[count++] = library("hiredis", TEXT(HIREDIS_MAJOR) "." TEXT(HIREDIS_MINOR) "." TEXT(HIREDIS_PATCH), "");
	to[count++] = library("libcurl", LIBCURL_VERSION, curl_version_info(CURLVERSION_NOW)->version);
	to[count++] = library("simdjson", AB_SIMDJSON_VERSION, "");
	to[count++] = library("isa-l", AB_ISAL_VERSION, "");
	to[count++] = libpq();
	to[count++] = library("OpenSSL", OPENSSL_VERSION_STR, OpenSSL_version(OPENSSL_VERSION_STRING));
	to[count++] = library("libmicrohttpd", "", MHD_get_version());
	snprintf(to[count - 1].compiled, sizeof to[0].compiled, "%x.%x.%x", MHD_VERSION >> 24, MHD_VERSION >> 16 & 0xff,
		 MHD_VERSION >> 8 & 0xff);
	to[count++] = library("jansson", JANSSON_VERSION, jansson_version_str());
	AB_ASSERT(count <= LIBRARIES_MAX);
	return count;
}

void ab_version_print_json(FILE *to)
{
	struct library libraries[LIBRARIES_MAX];
	size_t count = list(libraries);

	fprintf(to, "{\"schema_version\":1,\"version\":\"%s\",\"platform\":\"linux/%s\"", AB_VERSION, machine());
	fprintf(to, ",\"compiler\":\"%s\",\"flags\":\"%s\"", COMPILER, FLAGS);
	fprintf(to, ",\"json_kernel\":\"%s\",\"libraries\":{", ab_json_kernel());
	for (size_t i = 0; i < count; i++) {
		fprintf(to, "%s\"%s\":{\"compiled\":\"%s\"", i > 0 ? "," : "", libraries[i].name, libraries[i].compiled);
		if (libraries[i].running[0] != '\0')
			fprintf(to, ",\"running\":\"%s\"", libraries[i].running);
		fputc('}', to);
	}
	fputs("}}\n", to);
}

void ab_version_print(FILE *to)
{
	struct library libraries[LIBRARIES_MAX];
	size_t count = list(libraries);

	fprintf(to, "anabranch %s (linux/%s, %s)\n", AB_VERSION, machine(), COMPILER);
	fprintf(to, "%-15s %s\n", "flags", FLAGS);
	fprintf(to, "%-15s %s\n", "json-kernel", ab_json_kernel());
	for (size_t i = 0; i < count; i++) {
		fprintf(to, "%-15s %s", libraries[i].name, libraries[i].compiled);
		if (libraries[i].running[0] != '\0')
			fprintf(to, " (running %s)", libraries[i].running);
		fputc('\n', to);
	}
}
