// Includes nothing: it gives precompiled headers, of unit tests and of programs, a target to belong to.
