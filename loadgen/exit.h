/* loadgen/exit.h — exit codes, the same numbers as the engine's. */
#pragma once

enum ab_exit {
	AB_EXIT_OK = 0,
	AB_EXIT_REFUSED = 1,	    /* PostgreSQL or Kafka refused something, or contents are missing */
	AB_EXIT_USAGE = 64,	    /* wrong command line */
	AB_EXIT_UNREACHABLE = 69,   /* PostgreSQL or Kafka cannot be reached, or the connection broke */
	AB_EXIT_SETTINGS = 78,	    /* a setting is invalid */
	AB_EXIT_NOT_AS_PLANNED = 98, /* the generator could not keep to its plan: what was measured is not what was asked */
	AB_EXIT_THRESHOLD = 99,	    /* a threshold was crossed */
	AB_EXIT_CUT_SHORT = 105,    /* stopped by a signal before --count, --duration or --seed-contents was reached */
};
