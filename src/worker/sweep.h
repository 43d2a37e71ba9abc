/*
 * Parts that an earlier life of the same service left behind, because it was
 * killed or the power went.  The names of parts say whose they are: those of
 * other instances are not touched, nor are those of `hauld --once`, which has
 * one life.  Caller: filework, in the sync lane.
 */
#pragma once

/* haul_fd: an open .haul; part: the name of a part of this life. */
void sweep_dir(int haul_fd, const char *part);
