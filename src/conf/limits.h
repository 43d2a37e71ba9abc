/*
 * Every bound hauld-conf puts on what it reads, on one screen (THREATS 4), but
 * for those it shares with haulctl (model/values.h, model/input_list.h).
 */
#pragma once

enum {
	CONF_BYTES_MAX = 64 << 20,    /* of all configuration files, includes counted each time */
	CONF_FILES_MAX = 4096,        /* files of conf.d */
	CONF_INCLUDE_DEPTH_MAX = 10,
	CONF_NESTING_MAX = 32,        /* brackets inside brackets */
	CONF_STRING_MAX = 1 << 20,    /* bytes of a string: libconfig takes its square in time */
	CONF_TREE_BYTES_MAX = 640 << 20, /* what libconfig's tree may take, by our estimate */
	CONF_JOBS_MAX = 4000000,
	CONF_ERRORS_SHOWN_MAX = 1000, /* more are counted, not told */
	JOB_ERRORS_SHOWN_MAX = 16,    /* of one job of a client */
	CONF_ROOTS_MAX = 16,
	EMIT_BUFFER_SIZE = 64 << 10,  /* frames are written when this much waits */
	CPU_SECONDS_MAX = 10,
	MEMORY_BYTES_MAX = 1 << 30,
};
