//! Parts of the console whose code is fetched when they are first gone to, so that a visitor
//! downloads what they look at and not the whole console.
//!
//! What a first visit shows (signing in, the frame, Overview, Usage) stays in the main module. The
//! rest is split by area and not by page: the splitter makes a file for every combination of areas
//! that share code, and a file for every page would be a hundred of them.

use leptos::prelude::*;
use leptos_router::LazyRoute;

use crate::pages::console::{apis, explorer, keys, settings};

/// Declares an area: its pages, what draws each, and a route type for each.
macro_rules! area {
    ($(#[$doc:meta])* $fetch:ident $area:ident { $($page:ident => $draw:path,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy)]
        enum $area {
            $($page,)*
        }

        #[lazy]
        fn $fetch(page: $area) -> AnyView {
            match page {
                $($area::$page => $draw(),)*
            }
        }

        $(
            pub struct $page;

            impl LazyRoute for $page {
                fn data() -> Self {
                    Self
                }

                async fn view(_: Self) -> AnyView {
                    $fetch($area::$page).await
                }
            }
        )*
    };
}

area! {
    /// What is registered and handed out.
    catalogue Catalogue {
        ApiList => apis::list,
        ApiCreate => apis::create,
        ApiDetail => apis::detail,
        KeyList => keys::list,
        KeyCreate => keys::create,
        KeyDetail => keys::detail,
    }
}

area! {
    /// Trying out and setting up.
    bench Bench {
        Explorer => explorer,
        Settings => settings,
    }
}
