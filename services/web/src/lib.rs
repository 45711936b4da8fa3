//! The web service: admin pages, JSON API, sign-in, front door.
