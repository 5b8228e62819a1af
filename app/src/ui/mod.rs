//! The design system: what pages are made of.

pub mod badge;
pub mod chart;
pub mod code;
pub mod copy;
pub mod dialog;
pub mod error;
pub mod field;
pub mod form;
pub mod icon;
pub mod load;
pub mod page_head;
pub mod pager;
pub mod skeleton;
pub mod theme;
pub mod time;
pub mod toast;
