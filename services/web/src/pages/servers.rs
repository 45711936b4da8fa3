//! The Servers menu: the overview, one server, Create, Modify, Drain and Delete Server.

pub mod card;
pub mod delete;
pub mod drain;
pub mod form;
mod limits;
pub mod menu;
pub mod overview;
