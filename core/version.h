/* core/version.h — versions of this program and of every library, as compiled against and as found at run time.
 *
 * Threads: any; pure, but for asking the libraries.
 */
#pragma once

#include "core/base.h"

/* "0.1.0" */
const char *ab_version(void);

/* "anabranch 0.1.0 (linux/x86_64, gcc 12.2.0)", then a line for each fact. */
void ab_version_print(FILE *to);
/* All of it as one JSON object. */
void ab_version_print_json(FILE *to);
