#include "scan/names.h"

#include "cpython/py_census.h"
#include "cpython/py_dict.h"
#include "native/native.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum { NAMED_MAX = 1 << 22 }; /* bytes of a root */

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

static bool root_word(struct cs_heap_graph *hg, const struct cs_root *root, uint32_t to,
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
	} else if (any && edge->kind == PY_EDGE_BLOCK && edge->label && strchr(edge->label, '[')) {
		snprintf(out, CS_NAME_MAX, "%.*s%.*s[...]", room - 130, holder,
			 (int)strcspn(edge->label, "["), edge->label);
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

/* Names stay in the model: there are as many as rows are told. */
void cs_edge_member(struct cs_scan *scan, cs_addr from, struct py_edge *edge)
{
	char name[CS_NATIVE_MEMBER_MAX];
	struct cs_block block;
	const char *copy;

	if (edge->kind != PY_EDGE_WORD || !cs_blocks_holding(&scan->model.blocks, from, &block) ||
	    block.state != CS_BLOCK_TYPED ||
	    !cs_native_member_name(scan->native, &block, (uint64_t)edge->index, name))
		return;
	copy = cs_arena_copy(&scan->model.strings, name);
	if (copy) {
		edge->kind = PY_EDGE_BLOCK;
		edge->label = copy;
	}
}

static bool says_more(const struct cs_heap_graph *hg, uint32_t tag, uint32_t than)
{
	unsigned a = cs_root_rank(&hg->roots.items.items[tag]);
	unsigned b = cs_root_rank(&hg->roots.items.items[than]);

	return a != b ? a < b : tag < than;
}

bool cs_node_root(struct cs_heap_graph *hg, uint32_t node, uint32_t *tag)
{
	bool has = false;

	for (size_t i = 0; i < hg->graph->roots.count; i++) {
		const struct cs_graph_root *r = &hg->graph->roots.items[i];

		if (r->node == node && (!has || says_more(hg, r->tag, *tag))) {
			*tag = r->tag;
			has = true;
		}
	}
	return has;
}

bool cs_root_edge(struct cs_heap_graph *hg, const struct cs_root *root, uint32_t to,
		  struct py_edge *out)
{
	char name[CS_NATIVE_MEMBER_MAX];
	const char *copy;

	if (!root_word(hg, root, to, out))
		return false;
	if ((root->kind != CS_ROOT_DATA && root->kind != CS_ROOT_STACK && root->kind != CS_ROOT_MEMORY) ||
	    !cs_native_variable(hg->scan->native, root->range.start + (uint64_t)out->index, name))
		return true;
	copy = cs_arena_copy(&hg->scan->model.strings, name);
	if (copy) {
		out->kind = PY_EDGE_BLOCK;
		out->label = copy;
	}
	return true;
}

/* Its words are gone through for each node that is named. */
static bool has_variables(const struct cs_heap_graph *hg, const struct cs_root *root)
{
	return (root->kind == CS_ROOT_DATA || root->kind == CS_ROOT_STACK) &&
	       root->range.len <= NAMED_MAX && cs_native_has_variables(hg->scan->native);
}

void cs_root_name(struct cs_heap_graph *hg, uint32_t tag, uint32_t node, char out[CS_NAME_MAX],
		  char place[CS_PLACE_MAX])
{
	struct py_edge edge;

	const struct cs_root *root = &hg->roots.items.items[tag];
	char text[CS_PLACE_MAX - 16];

	*place = *out = 0;
	cs_root_text(hg->scan, root, text, sizeof(text));
	if (root->kind == CS_ROOT_PY_FRAME) {
		snprintf(place, CS_PLACE_MAX, "local of %s", text);
	} else if (root->kind == CS_ROOT_PY_MODULE && !strncmp(text, "module ", 7)) {
		snprintf(out, CS_NAME_MAX, "%s", text + 7);
	} else if (has_variables(hg, root) && cs_root_edge(hg, root, node, &edge) &&
		   edge.kind == PY_EDGE_BLOCK) {
		snprintf(out, CS_NAME_MAX, "%s", edge.label);
		snprintf(place, CS_PLACE_MAX, "%s", text);
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
