#include "cpython/py_reader.h"

#include "cpython/py_plan.h"

#include <stdlib.h>
#include <string.h>

static void *copy_of(const void *items, size_t len)
{
	void *copy = malloc(len + 1);

	return copy && len ? memcpy(copy, items, len) : copy;
}

static void reader_destroy(struct py *reader)
{
	if (reader->plans)
		free(reader->plans->plans.items); /* the plans themselves are the first's */
	free(reader->plans);
	cs_map_deinit(&reader->type_by_addr);
	free(reader);
}

/* Whatever visits work out when they first need it. */
static bool complete_plans(struct py *py)
{
	struct py_plans *plans = py_plans_of(py);

	for (size_t i = 0; plans && i < py->types.count; i++)
		if (!py_plan_of(py, plans, &py->types.items[i]))
			return false;
	if (plans)
		py_find_dict_marks(py, plans);
	return plans;
}

struct py *py_reader_create(struct py *py, struct cs_mem *mem, struct cs_model *model)
{
	struct py *r = complete_plans(py) ? malloc(sizeof(*r)) : NULL;
	struct cs_map *map = &py->type_by_addr;

	if (!r)
		return NULL;
	*r = *py;
	r->mem = mem;
	r->model = model;
	r->claimed = NULL;
	r->reader.is = true;
	r->reader.words = py->plans->words_left;
	r->reader.steps = py->steps_left;
	r->reader.table_steps = py->table_steps;
	r->type_by_addr.keys = copy_of(map->keys, map->cap * sizeof(*map->keys));
	r->type_by_addr.values = copy_of(map->values, map->cap * sizeof(*map->values));
	r->plans = copy_of(py->plans, sizeof(*py->plans));
	if (r->plans) {
		memset(&r->plans->arena, 0, sizeof(r->plans->arena));
		r->plans->plans.items = copy_of(py->plans->plans.items,
						py->plans->plans.count * sizeof(struct py_plan *));
	}
	if (r->plans && r->plans->plans.items && r->type_by_addr.keys && r->type_by_addr.values)
		return r;
	reader_destroy(r);
	return NULL;
}

/* What is left when the other's part is taken too; 0: one alone would have come to the end. */
static uint64_t left_of(uint64_t left, uint64_t begun, uint64_t others)
{
	return begun - others < left ? left - (begun - others) : 0;
}

bool py_reader_join(struct py *py, struct py *r)
{
	uint64_t words = left_of(py->plans->words_left, r->reader.words, r->plans->words_left);
	uint64_t steps = left_of(py->steps_left, r->reader.steps, r->steps_left);
	uint64_t table_steps = left_of(py->table_steps, r->reader.table_steps, r->table_steps);
	cs_addr interned = r->plans->interned;
	bool ok = !r->reader.met_new_type && words && steps && table_steps;

	/* the first that looks like it is it: the other did not know */
	if (interned && py->plans->interned && interned != py->plans->interned)
		ok = false;
	reader_destroy(r);
	if (!ok)
		return false;
	py->plans->words_left = words;
	py->steps_left = steps;
	py->table_steps = table_steps;
	if (interned)
		py->plans->interned = interned;
	return true;
}
