/* core/exit.h — exit codes of every command (sysexits.h where it has one). `anabranch help exit-codes` explains them. */
#pragma once

enum ab_exit {
	AB_EXIT_OK = 0,
	AB_EXIT_PROBLEMS = 1,
	AB_EXIT_USAGE = 64,
	AB_EXIT_DATA = 65,		/* records are gone that were not delivered */
	AB_EXIT_UNAVAILABLE = 69,
	AB_EXIT_BUG = 70,
	AB_EXIT_CONFIG = 78,
};
