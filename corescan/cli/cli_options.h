/* cli_options.h - what was typed, as a struct; and the help that says what can be.
 *
 * One table of options and report's table of views make the parser, the help
 * and the suggestions, so that none of them can forget one.
 */
#ifndef CS_CLI_OPTIONS_H
#define CS_CLI_OPTIONS_H
#include "report/report.h"
#include "scan/scan.h"

enum { CS_CLI_ASKS_MAX = 32 };

struct cs_cli {
	const char *target;
	struct cs_scan_options scan;
	struct cs_report_options report;
	struct cs_ask asks[CS_CLI_ASKS_MAX];
	size_t ask_count;
	const char *output; /* -o, NULL: stdout */
	const char *traces_output; /* NULL: none */
	bool is_quiet, is_verbose, wants_help, wants_version;
};

/* Fill *out from the command line; strings are borrowed from argv. CS_USAGE:
 * err holds a sentence for the user, with the nearest word that exists. With
 * wants_help or wants_version nothing else is checked. */
cs_status cs_cli_parse(int argc, char **argv, struct cs_cli *out, struct cs_error *err);

void cs_cli_help(FILE *out);
#endif
