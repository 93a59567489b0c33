//! Places in words.

use event::Place;

/// A place, for people. What acts or is unseen is escaped, since names come from the guarded side.
pub fn words(place: &Place) -> String {
    let names: Vec<String> = place.components.iter().map(|name| text::shown(name)).collect();
    match names.split_first() {
        Some((root, [address @ .., port])) if root == "$net4" => format!("{}:{port}", address.join(".")),
        Some((root, [address @ .., port])) if root == "$net6" => format!("[{}]:{port}", address.join(":")),
        Some((root, [port])) if root == "$local" => match port.as_str() {
            "$picked" => "a port of this machine that the kernel picked".to_owned(),
            port => format!("port {port} of this machine"),
        },
        Some((root, [labels @ .., port])) if root == "$host" => {
            let mut name: Vec<&str> = labels.iter().map(String::as_str).collect();
            if !port.starts_with(':') {
                name.extend([port.as_str(), "*"]);
            }
            name.reverse();
            format!("{}{}", name.join("."), if port.starts_with(':') { port } else { "" })
        }
        Some((root, rest)) if root == "/" => format!("/{}", rest.join("/")),
        _ => names.join("/"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::Reach;

    #[test]
    fn a_place_reads_as_people_write_it() {
        let place = |names: &[&str]| Place {
            reach: Reach::Read,
            components: names.iter().map(|name| (*name).into()).collect(),
        };
        assert_eq!(words(&place(&["$net4", "198", "51", "100", "7", "443"])), "198.51.100.7:443");
        assert_eq!(words(&place(&["$local", "5432"])), "port 5432 of this machine");
        assert_eq!(words(&place(&["$host", "org", "example", "api", ":443"])), "api.example.org:443");
        assert_eq!(words(&place(&["$host", "org", "example"])), "*.example.org");
        assert_eq!(words(&place(&["/", "usr", "lib"])), "/usr/lib");
        assert_eq!(words(&place(&["$home", "a\u{1b}[2J"])), "$home/a\\u{1b}[2J");
    }
}
