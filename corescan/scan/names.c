#include "scan/names.h"

#include "cpython/py_census.h"
#include "cpython/py_dict.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct search {
	struct cs_heap_graph *hg;
	uint32_t to;
	struct py_edge found;
	bool has_found;
};

bool cs_node_object(struct cs_heap_graph *hg, uint32_t node, struct py_obj *out)
{
	struct cs_block block;

	if (cs_heap_graph_frame(hg, node))
		return false;
	cs_node_block(&hg->nodes, node, &block);
	return hg->scan->py && py_object_at_block(hg->scan->py, &block, out);
}

const char *cs_block_words(const struct cs_block *block)
{
	if (block->state == CS_BLOCK_OWNED)
		return "(owned by an object)";
	if (block->state == CS_BLOCK_RUNTIME)
		return "(the interpreter's own)";
	return block->allocator == CS_ALLOC_GLIBC ? "(malloc, type unknown)" :
						   "(pymalloc, type unknown)";
}

const char *cs_node_type_name(struct cs_heap_graph *hg, uint32_t node)
{
	uint32_t type = cs_heap_graph_type(hg, node);
	struct cs_block block;

	if (type != CS_NO_TYPE)
		return hg->scan->model.types.items[type].name;
	if (cs_heap_graph_frame(hg, node))
		return "frame";
	cs_node_block(&hg->nodes, node, &block);
	return cs_block_words(&block);
}

cs_addr cs_node_addr(struct cs_heap_graph *hg, uint32_t node)
{
	struct cs_block block;
	struct py_obj o;

	if (cs_heap_graph_frame(hg, node))
		return cs_heap_graph_frame(hg, node)->range.start;
	if (cs_node_object(hg, node, &o))
		return o.addr;
	cs_node_block(&hg->nodes, node, &block);
	return block.addr;
}

/* A type is the last thing to name a way by. */
static void on_edge(void *ctx, const struct py_edge *edge)
{
	struct search *s = ctx;

	if (edge->hold == PY_WEAK || cs_node_at(&s->hg->nodes, edge->to) != s->to ||
	    (s->has_found && s->found.kind != PY_EDGE_TYPE))
		return;
	s->found = *edge;
	s->has_found = true;
}

static bool find_word(struct search *s, struct cs_range range)
{
	struct cs_guess_walk walk;
	struct cs_guess guess;

	cs_guess_walk_init(&walk, s->hg->scan, &s->hg->nodes, range);
	while (cs_guess_walk_next(&walk, &guess)) {
		if (guess.node != s->to)
			continue;
		s->found = (struct py_edge){ .to = guess.word, .kind = PY_EDGE_WORD, .hold = PY_GUESS,
					     .index = (int64_t)(guess.where - range.start) };
		return true;
	}
	return false;
}

bool cs_node_edge(struct cs_heap_graph *hg, uint32_t from, uint32_t to, struct py_edge *out)
{
	struct search s = { .hg = hg, .to = to };
	struct cs_block block;
	struct py_obj o;

	if (cs_heap_graph_frame(hg, from)) {
		py_visit_begin(hg->scan->py);
		py_visit_frame(hg->scan->py, cs_heap_graph_frame(hg, from)->range.start, on_edge, &s);
	} else if (cs_node_object(hg, from, &o)) {
		py_visit_begin(hg->scan->py);
		py_visit(hg->scan->py, &o, on_edge, &s);
	} else {
		cs_node_block(&hg->nodes, from, &block);
		s.has_found = find_word(&s, (struct cs_range){ block.addr, block.len });
	}
	*out = s.found;
	return s.has_found;
}

bool cs_root_edge(struct cs_heap_graph *hg, const struct cs_root *root, uint32_t to,
		  struct py_edge *out)
{
	struct search s = { .hg = hg, .to = to };

	if (root->kind == CS_ROOT_PY_MODULE || root->kind == CS_ROOT_REGISTERS ||
	    root->kind == CS_ROOT_PY_FRAME || (root->kind == CS_ROOT_PY_FIELD && !root->is_guess))
		return false;
	s.has_found = find_word(&s, root->range);
	*out = s.found;
	return s.has_found;
}

/* The text of a str that is a name in Python; false: it is none. */
static bool identifier(struct cs_heap_graph *hg, cs_addr str, char *out, size_t cap)
{
	if (!str || !py_str_text(hg->scan->py, str, out, cap, NULL) || !*out ||
	    isdigit((unsigned char)*out))
		return false;
	for (const unsigned char *p = (unsigned char *)out; *p; p++)
		if (!isalnum(*p) && *p != '_' && *p < 0x80)
			return false;
	return true;
}

void cs_name_join(struct cs_heap_graph *hg, const char *holder, const struct py_edge *edge,
		  bool in_dict, bool any, char out[CS_NAME_MAX])
{
	char key[128];
	int room = CS_NAME_MAX - 1;

	if ((edge->kind == PY_EDGE_LOCAL || edge->kind == PY_EDGE_CELL) && !*holder &&
	    py_str_text(hg->scan->py, edge->name, out, CS_NAME_MAX, NULL)) {
		return;
	}
	if (cs_edge_is_dict(edge)) {
		snprintf(out, CS_NAME_MAX, "%.*s", room, holder);
	} else if (any && (edge->kind == PY_EDGE_INDEX || edge->kind == PY_EDGE_VALUE ||
			   edge->kind == PY_EDGE_KEY || edge->kind == PY_EDGE_WORD)) {
		snprintf(out, CS_NAME_MAX, "%.*s[...]", room - 5, holder);
	} else if (edge->kind == PY_EDGE_WORD) {
		snprintf(out, CS_NAME_MAX, "%.*s->+%" PRId64, room - 32, holder, edge->index);
	} else if (edge->kind == PY_EDGE_VALUE && in_dict &&
		   identifier(hg, edge->name, key, sizeof(key))) {
		snprintf(out, CS_NAME_MAX, "%.*s.%s", room - 130, holder, key);
	} else {
		py_edge_text(hg->scan->py, edge, key, sizeof(key));
		snprintf(out, CS_NAME_MAX, "%.*s%s", room - 130, holder, key);
	}
}

bool cs_node_root(struct cs_heap_graph *hg, uint32_t node, uint32_t *tag)
{
	bool has = false;

	for (size_t i = 0; i < hg->graph->roots.count; i++) {
		const struct cs_graph_root *r = &hg->graph->roots.items[i];

		/* tags are in the order of what they tell */
		if (r->node == node && (!has || r->tag < *tag)) {
			*tag = r->tag;
			has = true;
		}
	}
	return has;
}

void cs_root_name(struct cs_heap_graph *hg, uint32_t tag, char out[CS_NAME_MAX],
		  char place[CS_PLACE_MAX])
{
	const struct cs_root *root = &hg->roots.items.items[tag];
	char text[CS_PLACE_MAX - 16];

	*place = *out = 0;
	cs_root_text(hg->scan, root, text, sizeof(text));
	if (root->kind == CS_ROOT_PY_FRAME) {
		snprintf(place, CS_PLACE_MAX, "local of %s", text);
	} else if (root->kind == CS_ROOT_PY_MODULE && !strncmp(text, "module ", 7)) {
		snprintf(out, CS_NAME_MAX, "%s", text + 7);
	} else {
		snprintf(out, CS_NAME_MAX, "%s", text);
	}
}

void cs_name_whole(const char *name, const char *place, char out[CS_NAME_MAX])
{
	int room = CS_NAME_MAX - CS_PLACE_MAX - 8;

	if (!*name && !strncmp(place, "local of ", 9)) {
		snprintf(out, CS_NAME_MAX, "%s", place + 9);
		return;
	}
	snprintf(out, CS_NAME_MAX, "%.*s%s%s%s", room, name, *place ? " (" : "", place,
		 *place ? ")" : "");
}
