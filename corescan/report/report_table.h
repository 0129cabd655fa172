/* report_table.h - rows of cells under named columns, whatever they are about.
 *
 * A view fills one from the model; a writer prints it. Neither knows the
 * other. Knows nothing of formats or of what the rows mean.
 *
 * Invariants
 *  - Every row has exactly column_count cells.
 *  - After cs_table_select(): the `before` row, the rows in `order` and the
 *    `more` row together are the `total` row, column by column, to the byte.
 *  - The order is total: the same model gives the same bytes.
 */
#ifndef CS_REPORT_TABLE_H
#define CS_REPORT_TABLE_H
#include "base/arena.h"
#include "base/error.h"
#include "base/pulse.h"
#include "base/vec.h"

/* CS_ATTRS_MAX: of --attrs, behind the columns its view has anyway. */
enum { CS_COLUMNS_MAX = 20, CS_ATTRS_MAX = 16 };

enum cs_cell_type {
	CS_CELL_TEXT,	 /* NULL: nothing known */
	CS_CELL_COUNT,	 /* of things */
	CS_CELL_BYTES,	 /* rounded to units for people */
	CS_CELL_SIZE,	 /* bytes again, but every one matters: never rounded */
	CS_CELL_PERCENT, /* in thousandths of a percent */
	CS_CELL_ADDRESS,
	CS_CELL_ID,	 /* a number that names something: bare digits; 0: unknown */
	CS_CELL_DIGITS,	 /* text of an integer of 64 bits: a number in JSON */
	CS_CELL_LIST	 /* rows of their own: the frames of a stack */
};

enum cs_column_flag {
	CS_COL_SUM = 1,	    /* has a total */
	CS_COL_WEIGHT = 2,  /* what --min compares and rows are folded by */
	CS_COL_TYPE = 4,    /* what --type matches */
	CS_COL_DETAIL = 8,  /* not on the default page */
	CS_COL_WRAP = 16,   /* too long: goes on in the next line, not cut */
	CS_COL_BELOW = 32,  /* text: under the row, not beside it */
	CS_COL_SPARE = 64,  /* first to be left out of a narrow terminal */
	CS_COL_WHOLE = 128, /* never cut: addresses and other things people copy */
	CS_COL_GRAPH = 512, /* only there with the reference graph; such columns are last */
	CS_COL_DATA = 1024, /* in JSON and CSV only */
	CS_COL_BAR = 256    /* a bar beside it where the terminal can draw one */
};

struct cs_column {
	const char *name;    /* in JSON and CSV, and what --sort takes */
	const char *heading; /* for people; NULL: the name */
	enum cs_cell_type type;
	unsigned flags; /* enum cs_column_flag */
};

struct cs_list;

struct cs_cell { /* 24 bytes */
	const char *text; /* of a list: in short, for people; NULL: not for them */
	union {
		uint64_t number;
		const struct cs_list *list; /* borrowed; NULL: unknown */
	};
	enum cs_cell_type type; /* the column's, or in a column of mixed things its own */
};

/* A table in a cell: objects in JSON, its lines joined in CSV. On a terminal the
 * cell's text, or its lines one by one. All borrowed. */
struct cs_list {
	const struct cs_column *columns; /* ends at a NULL name */
	const struct cs_cell *cells;	 /* row after row */
	const char *const *lines;	 /* for people: one or more a row */
	size_t rows, line_count;
	const uint32_t *nrs; /* not NULL: row and line i are number nrs[i] of cells and lines */
	bool is_long; /* its lines one by one */
};

const char *cs_list_line(const struct cs_list *list, size_t i);

struct cs_table {
	const struct cs_column *columns; /* borrowed from the view, static */
	size_t column_count;
	CS_VEC(struct cs_cell) cells; /* row after row */
	CS_VEC(uint32_t) order;	      /* rows to show; made by cs_table_select() */
	uint64_t total[CS_COLUMNS_MAX], more[CS_COLUMNS_MAX]; /* CS_COL_SUM and percent */
	uint64_t whole;		      /* weight that is 100 percent */
	uint64_t before[CS_COLUMNS_MAX]; /* as `more`, of the rows skipped */
	size_t total_rows;	      /* that matched: skipped, shown and not shown */
	size_t before_rows, more_rows;
	uint32_t last_row;	      /* kept last by the default order; UINT32_MAX: none */
	bool keeps_last;	      /* it is shown last in any order, whatever is cut */
	struct cs_pulse *pulse;	      /* stops long tables; borrowed, may be NULL */
	bool ends_in_last;	      /* it is: in this order, and shown */
	bool is_last_extra;	      /* and shown beyond the top */
	struct cs_arena strings;      /* for texts that are nobody else's */
};

/* All-zero is not an empty table: this is. columns ends at a NULL name. */
void cs_table_init(struct cs_table *table, const struct cs_column *columns);
void cs_table_deinit(struct cs_table *table);

size_t cs_table_rows(const struct cs_table *table);
static inline const struct cs_cell *cs_table_row(const struct cs_table *table, size_t nr)
{
	return table->cells.items + nr * table->column_count;
}

static inline struct cs_cell cs_cell_text(const char *text)
{
	return (struct cs_cell){ .text = text, .type = CS_CELL_TEXT };
}

/* A cell of any type but text; percent in thousandths. */
static inline struct cs_cell cs_cell_number(enum cs_cell_type type, uint64_t number)
{
	return (struct cs_cell){ .number = number, .type = type };
}

static inline struct cs_cell cs_cell_list(const struct cs_list *list, const char *text)
{
	return (struct cs_cell){ .text = text, .list = list, .type = CS_CELL_LIST };
}

/* Append a row of column_count cells. Texts are borrowed. False: no memory, or told
 * to stop. */
bool cs_table_add(struct cs_table *table, const struct cs_cell *cells);

/* The first column with the flag; SIZE_MAX: none. */
size_t cs_table_flagged(const struct cs_table *table, unsigned flag);

/* Only the rows that have this text in the column, or only the others. */
struct cs_filter {
	const char *column, *value; /* column NULL: all rows */
	bool leaves_out;
};

struct cs_select {
	const char *sort; /* column; NULL: the weight, heaviest first, or as built */
	uint64_t min;	  /* least weight; 0: any */
	const char *type; /* glob; NULL: any */
	uint64_t top;	  /* rows at most; 0: all */
	uint64_t skip;	  /* rows left out before the first, when sorted */
	struct cs_filter only;
};

/* Sort, filter, cut and sum; may be called again. A wish whose column the
 * table has not is not applied. */
cs_status cs_table_select(struct cs_table *table, const struct cs_select *wish,
			  struct cs_error *err);

/* After selecting: of the rows shown keep those of at least `weight`, at least
 * `least` of them and at most `most`; fold the rest into `more`. The last row
 * stays. One row is never folded alone, and rows of weight 0 always are. */
void cs_table_fold(struct cs_table *table, uint64_t weight, size_t least, size_t most);
#endif
