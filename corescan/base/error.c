#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

cs_status cs_fail(struct cs_error *err, cs_status status, cs_addr addr, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return status;
	err->status = status;
	err->addr = addr;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return status;
}

cs_status cs_fail_os(struct cs_error *err, const char *fmt, ...)
{
	int saved = errno;
	va_list ap;

	if (!err)
		return CS_OS;
	err->status = CS_OS;
	err->addr = 0;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerror(saved));
	return CS_OS;
}

cs_status cs_wrap(struct cs_error *err, cs_status status, const char *fmt, ...)
{
	char inner[sizeof(err->text)];
	va_list ap;

	if (!err || status == CS_OK || status == CS_NOTFOUND)
		return status;
	memcpy(inner, err->text, sizeof(inner));
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);

	size_t used = strlen(err->text);

	snprintf(err->text + used, sizeof(err->text) - used, ": %s", inner);
	return status;
}
