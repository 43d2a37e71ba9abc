/*
 * The identity of this build: a digest of all sources, made by make.  Two
 * programs talk to each other only when theirs are equal, so that a package
 * upgrade under a running daemon never pairs old with new.
 */
#pragma once

extern const char build_id[];
