/*
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4): tells records that were torn or
 * never written from whole ones.  No protection against anybody's intent.
 * Caller: wire/part_map.c.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

uint32_t crc32c(const void *data, size_t n);
