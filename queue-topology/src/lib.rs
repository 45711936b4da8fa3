//! Exchanges, lanes, policies and permissions as data; declare and doctor.
