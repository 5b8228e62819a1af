//! The design system: what pages are made of.

pub mod badge;
pub mod chart;
pub mod code;
pub mod copy;
pub mod dialog;
pub mod dynamic;
pub mod error;
pub mod events;
pub mod field;
pub mod filter_form;
pub mod form;
pub mod icon;
pub mod live;
pub mod load;
pub mod notice;
pub mod page_head;
pub mod pager;
pub mod passkey;
pub mod search;
pub mod skeleton;
pub mod span;
pub mod theme;
pub mod time;
pub mod toast;
