//! Routes that nobody configured, learned from the shapes of paths.
//!
//! A shape becomes a template when the upstream knows it. Once many words stand in the same place
//! of otherwise equal templates they are taken for names: `/shop/ada`, `/shop/bob`, … become
//! `/shop/{name}`, and what was counted for them before is shown with it. So the number of
//! templates is bounded whatever callers send.

use foldhash::HashMap;
use uuid::Uuid;

/// Words in one place from which on they are names.
const SIBLINGS: usize = 50;
/// Most templates of an API.
const MAX: usize = 300;

/// Paths the upstream does not know: what scanners try.
pub const UNMATCHED: &str = "(not found)";
/// Paths beyond the templates there is room for.
pub const OTHER: &str = "(other)";

/// The templates that were learned, by API.
#[derive(Clone, Debug, Default)]
pub struct Templates {
    by_api: HashMap<Uuid, Vec<Box<str>>>,
}

/// Whether an answer says that the upstream knows the path.
#[must_use]
pub const fn is_known(status: i32, refused: bool) -> bool {
    !refused && !matches!(status, 404 | 405 | 501)
}

/// How what is known has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    pub added: Vec<(Uuid, Box<str>)>,
    pub removed: Vec<(Uuid, Box<str>)>,
}

impl Templates {
    /// Knows a template from before.
    pub fn insert(&mut self, api: Uuid, template: &str) {
        let known = self.by_api.entry(api).or_default();
        if !known.iter().any(|text| **text == *template) {
            known.push(template.into());
        }
    }

    /// The template a shape belongs to, if one is known.
    #[must_use]
    pub fn find(&self, api: Uuid, shape: &str) -> Option<&str> {
        let known = self.by_api.get(&api)?;
        if let Some(same) = known.iter().find(|text| &***text == shape) {
            return Some(same);
        }
        let fits = known.iter().filter(|text| fits(text, shape));
        // The one with the most words of its own.
        fits.min_by_key(|text| text.matches(NAME).count())
            .map(|text| &**text)
    }

    /// What a shape is shown as: its template, else itself, where the upstream knows it.
    #[must_use]
    pub fn show<'a>(&'a self, api: Option<Uuid>, shape: &'a str, is_known: bool) -> &'a str {
        let Some(api) = api.filter(|_| !shape.starts_with('(')) else {
            return shape;
        };
        match self.find(api, shape) {
            Some(template) => template,
            None if is_known => shape,
            None => UNMATCHED,
        }
    }

    /// The template a call counts for. `is_known`: the upstream's answer says that it knows the
    /// path, so that a template may be learned from it.
    pub fn learn(
        &mut self,
        api: Uuid,
        shape: &str,
        is_known: bool,
        learned: &mut Learned,
    ) -> Box<str> {
        if shape.starts_with('(') {
            return shape.into();
        }
        if let Some(template) = self.find(api, shape) {
            return template.into();
        }
        if !is_known {
            return UNMATCHED.into();
        }
        let known = self.by_api.entry(api).or_default();
        if let Some(template) = collapse(known, shape) {
            let (gone, kept) = known.drain(..).partition(|text| fits(&template, text));
            *known = kept;
            learned
                .removed
                .extend(gone.into_iter().map(|text| (api, text)));
            known.push(template.clone());
            learned.added.push((api, template.clone()));
            return template;
        }
        if known.len() >= MAX {
            return OTHER.into();
        }
        known.push(shape.into());
        learned.added.push((api, shape.into()));
        shape.into()
    }
}

/// What stands where many words did. `{id}`, which shapes come with, is a segment like others.
const NAME: &str = "{name}";

/// Whether `shape` is `template` with its open places filled.
fn fits(template: &str, shape: &str) -> bool {
    let mut theirs = shape.split('/');
    for ours in template.split('/') {
        match theirs.next() {
            Some(segment) if ours == NAME || ours == segment => {}
            _ => return false,
        }
    }
    theirs.next().is_none()
}

/// The template that takes the place of the many that differ from `shape` in one word.
fn collapse(known: &[Box<str>], shape: &str) -> Option<Box<str>> {
    let segments: Vec<&str> = shape.split('/').collect();
    for (at, segment) in segments.iter().enumerate().skip(1) {
        if segment.starts_with('{') || *segment == "*" {
            continue;
        }
        let mut open = segments.clone();
        open[at] = NAME;
        let template = open.join("/");
        let siblings = known.iter().filter(|text| fits(&template, text));
        if siblings.count() + 1 >= SIBLINGS {
            return Some(template.into());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const API: Uuid = Uuid::from_u128(1);

    fn learn(templates: &mut Templates, path: &str) -> String {
        let mut learned = Learned::default();
        templates
            .learn(API, &crate::shape(path), true, &mut learned)
            .into()
    }

    #[test]
    fn many_words_in_one_place_are_names() {
        let mut templates = Templates::default();
        let mut learned = Learned::default();
        let mut last = Box::default();
        for n in 0..SIBLINGS {
            let word: String = format!("{n}")
                .bytes()
                .map(|b| (b - b'0' + b'a') as char)
                .collect();
            last = templates.learn(API, &format!("/shop/{word}/cart"), true, &mut learned);
        }
        assert_eq!(&*last, "/shop/{name}/cart");
        assert_eq!(learned.added.len(), SIBLINGS);
        assert_eq!(learned.removed.len(), SIBLINGS - 1);
        // What was its own template is shown with them now.
        let show = |api, is_known| templates.show(api, "/shop/a/cart", is_known);
        assert_eq!(show(Some(API), true), "/shop/{name}/cart");
        assert_eq!(show(Some(API), false), "/shop/{name}/cart");
        assert_eq!(show(None, true), "/shop/a/cart");
        assert_eq!(learn(&mut templates, "/shop/zoe/cart"), "/shop/{name}/cart");
        assert_eq!(learn(&mut templates, "/shop/zoe"), "/shop/zoe");
        assert_eq!(templates.show(Some(API), "/x", true), "/x");
        assert_eq!(templates.show(Some(API), "/x", false), UNMATCHED);
        assert_eq!(templates.show(Some(API), OTHER, false), OTHER);
    }

    #[test]
    fn templates_are_bounded_whatever_is_called() {
        let mut templates = Templates::default();
        for a in 0..40u8 {
            for b in 0..40u8 {
                let word =
                    |n: u8| format!("w{}{}", (b'a' + n / 26) as char, (b'a' + n % 26) as char);
                learn(&mut templates, &format!("/{}/x{}", word(a), word(b)));
            }
        }
        let known = &templates.by_api[&API];
        assert!(known.len() <= MAX, "{}", known.len());
        assert_eq!(learn(&mut templates, "/never/seen/before/this"), OTHER);
        assert_eq!(learn(&mut templates, "/waa/xwaa"), "/waa/xwaa");
    }

    #[test]
    fn paths_nobody_knows_teach_nothing() {
        let mut templates = Templates::default();
        let mut learned = Learned::default();
        let template = templates.learn(API, "/wp-login.php", false, &mut learned);
        assert_eq!(&*template, UNMATCHED);
        assert_eq!(learned, Learned::default());
        learn(&mut templates, "/users/1");
        let template = templates.learn(API, "/users/{id}", false, &mut learned);
        assert_eq!(&*template, "/users/{id}");
        assert_eq!(
            templates.learn(API, OTHER, true, &mut learned).as_ref(),
            OTHER
        );
    }

    #[test]
    fn the_most_exact_template_is_taken() {
        let mut templates = Templates::default();
        for known in ["/a/{id}/c", "/{name}/{id}/c", "/a/b/c"] {
            templates.insert(API, known);
            templates.insert(API, known);
        }
        assert_eq!(templates.find(API, "/a/b/c"), Some("/a/b/c"));
        assert_eq!(templates.find(API, "/a/{id}/c"), Some("/a/{id}/c"));
        assert_eq!(templates.find(API, "/x/{id}/c"), Some("/{name}/{id}/c"));
        // A word is no id.
        assert_eq!(templates.find(API, "/x/y/c"), None);
        assert_eq!(templates.find(API, "/x/y"), None);
        assert_eq!(templates.find(Uuid::nil(), "/a/b/c"), None);
    }
}
