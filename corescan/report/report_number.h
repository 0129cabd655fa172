/* report_number.h - numbers as people read them, and as they type them. */
#ifndef CS_REPORT_NUMBER_H
#define CS_REPORT_NUMBER_H
#include "base/error.h"

enum { CS_NUMBER_LEN = 32 }; /* room for any of these, NUL included */

/* 5,210,332 */
void cs_number_count(char buf[CS_NUMBER_LEN], uint64_t n);

/* 80 B, 48.1 MiB, 1.05 GiB; tight: 80B, 48.1M, 1.05G. Rounded to nearest. */
void cs_number_bytes(char buf[CS_NUMBER_LEN], uint64_t n, bool is_tight);

/* part of whole in thousandths of a percent, rounded; 0 when whole is 0. */
uint64_t cs_number_percent(uint64_t part, uint64_t whole);

/* "512k", "2G", "1.5MiB", "4096": *out in bytes. CS_USAGE says what is wrong. */
cs_status cs_number_parse_size(const char *text, uint64_t *out, struct cs_error *err);

/* Decimal, digits only. False when it is not, or does not fit. */
bool cs_number_parse(const char *text, uint64_t *out);

/* An address: 0x and hex digits, or decimal. */
bool cs_number_parse_address(const char *text, cs_addr *out);
#endif
