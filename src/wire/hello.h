/*
 * The first message of every conversation between hauld and its children, in both
 * directions and in all protocols: the build id, under id 0.  Callers: the messages
 * of each protocol, those who speak CONF_*.
 */
#pragma once

#include "wire/frame.h"

void hello_put(struct buf *out, uint16_t type, uint8_t proto);
/* 0; -ESTALE: it is that of another build; -EPROTO: it is no such message. */
int hello_get(const struct message *m, uint16_t type, uint8_t proto) MUST_CHECK;
