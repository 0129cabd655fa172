/* fake_model.h - hand-made models, and documents as strings, for tests of report/. */
#ifndef FAKE_MODEL_H
#define FAKE_MODEL_H
#include "report/report.h"

/* Empty, then: a Python worker's core with seven types, sizes, arenas, findings. */
void fake_model_empty(struct cs_model *m);
void fake_model_worker(struct cs_model *m);

void fake_type(struct cs_model *m, const char *name, enum cs_type_kind kind, uint64_t count,
	       uint64_t bytes);

/* The ledger's row; present grows with it. */
void fake_ledger(struct cs_model *m, enum cs_category category, uint64_t bytes, uint64_t blocks);

/* The document the named views give ("" or NULL ends the list), malloc'ed. */
char *fake_report(const struct cs_model *m, const struct cs_report_options *options,
		  const char *const *views);

/* Is it JSON? Asks `python3 -m json.tool`. */
bool fake_is_json(const char *text);
#endif
