//! The worker: export, import and upkeep for one server.
