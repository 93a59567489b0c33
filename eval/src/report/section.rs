//! A section of the page.

use maud::html;

/// A section with a heading, an anchor, and a sentence on how to read it.
pub(super) fn section(id: &str, title: &str, lead: &str, body: &maud::Markup) -> maud::Markup {
    html! {
        section id=(id) {
            h2 { a href={ "#" (id) } { (title) } }
            @if !lead.is_empty() { p.lead { (lead) } }
            (body)
        }
    }
}
