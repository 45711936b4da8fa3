//! The database: every SQL statement of the project.
