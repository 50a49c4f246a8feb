//! Words, names and sentences of the library, compiled in. Titles are pairs of words: `title` gives a different pair
//! for each number below 12,544.

use super::super::random;
use super::dice::{Dice, index};

const ADJECTIVES: [&str; 112] = [
    "Amber",
    "Ancient",
    "Autumn",
    "Bitter",
    "Blazing",
    "Blue",
    "Bold",
    "Brave",
    "Bright",
    "Broken",
    "Bronze",
    "Calm",
    "Candid",
    "Carmine",
    "Celestial",
    "Cinder",
    "Clever",
    "Coastal",
    "Cobalt",
    "Copper",
    "Crimson",
    "Crystal",
    "Curious",
    "Dancing",
    "Daring",
    "Dark",
    "Distant",
    "Divided",
    "Eastern",
    "Electric",
    "Emerald",
    "Endless",
    "Eternal",
    "Faded",
    "Faithful",
    "Fallen",
    "Fearless",
    "Final",
    "First",
    "Floating",
    "Forgotten",
    "Fragile",
    "Frozen",
    "Gentle",
    "Gilded",
    "Glass",
    "Golden",
    "Grand",
    "Gray",
    "Green",
    "Hidden",
    "Hollow",
    "Honest",
    "Humble",
    "Indigo",
    "Iron",
    "Island",
    "Ivory",
    "Jade",
    "Jolly",
    "Kindred",
    "Last",
    "Laughing",
    "Little",
    "Lonely",
    "Lost",
    "Lucky",
    "Lunar",
    "Magnetic",
    "Marble",
    "Midnight",
    "Misty",
    "Modern",
    "Native",
    "Noble",
    "Northern",
    "Open",
    "Painted",
    "Paper",
    "Patient",
    "Pearl",
    "Perfect",
    "Polar",
    "Proud",
    "Quiet",
    "Radiant",
    "Rapid",
    "Restless",
    "Rising",
    "Roaming",
    "Royal",
    "Rustic",
    "Sacred",
    "Scarlet",
    "Second",
    "Secret",
    "Silent",
    "Silver",
    "Simple",
    "Sleeping",
    "Southern",
    "Stolen",
    "Summer",
    "Tender",
    "Timeless",
    "Velvet",
    "Wandering",
    "Western",
    "White",
    "Wild",
    "Winter",
    "Young",
];

const NOUNS: [&str; 112] = [
    "Anchor",
    "Archive",
    "Arrow",
    "Atlas",
    "Avenue",
    "Bay",
    "Beacon",
    "Bell",
    "Bridge",
    "Brook",
    "Café",
    "Canvas",
    "Canyon",
    "Castle",
    "Chapel",
    "Circle",
    "City",
    "Cliff",
    "Cloud",
    "Compass",
    "Coast",
    "Comet",
    "Corner",
    "Court",
    "Cove",
    "Creek",
    "Crown",
    "Dawn",
    "Delta",
    "Desert",
    "Dream",
    "Drift",
    "Echo",
    "Ember",
    "Empire",
    "Falcon",
    "Feather",
    "Ferry",
    "Field",
    "Flame",
    "Forest",
    "Fortune",
    "Fountain",
    "Fox",
    "Frontier",
    "Garden",
    "Gate",
    "Glacier",
    "Harbor",
    "Harvest",
    "Haven",
    "Heart",
    "Heron",
    "Highway",
    "Hill",
    "Horizon",
    "Hotel",
    "House",
    "Hunter",
    "Journey",
    "Key",
    "Kingdom",
    "Kitchen",
    "Lagoon",
    "Lake",
    "Lantern",
    "Legacy",
    "Letter",
    "Library",
    "Lighthouse",
    "Market",
    "Meadow",
    "Mile",
    "Mirror",
    "Moon",
    "Mountain",
    "Museum",
    "Night",
    "Oak",
    "Ocean",
    "Orchard",
    "Palace",
    "Passage",
    "Pianist",
    "Pilot",
    "Planet",
    "Plateau",
    "Prairie",
    "Promise",
    "Quarry",
    "Rain",
    "Reef",
    "Ridge",
    "River",
    "Road",
    "Sail",
    "Shadow",
    "Shore",
    "Sky",
    "Song",
    "Spring",
    "Star",
    "Station",
    "Storm",
    "Story",
    "Summit",
    "Tide",
    "Tower",
    "Valley",
    "Village",
    "Voyage",
    "Window",
];

const FIRST_NAMES: [&str; 64] = [
    "Ada", "Alba", "Amir", "Anders", "Anna", "Ben", "Björn", "Carla", "Chen", "Chloë", "Clara", "Dana", "Diego",
    "Elena", "Elif", "Emil", "Esther", "Eva", "Farah", "Felix", "Fiona", "Frida", "Grace", "Hana", "Hugo", "Ines",
    "Irene", "Isaac", "Ivan", "Jana", "Jonas", "José", "Julia", "Kai", "Karim", "Lara", "Leo", "Lena", "Lucas", "Maja",
    "Marco", "Maria", "Max", "Mei", "Mila", "Nadia", "Nils", "Nora", "Olga", "Omar", "Otto", "Paula", "Pedro", "Petra",
    "Rosa", "Ruth", "Samir", "Sara", "Sofia", "Tariq", "Theo", "Vera", "Yuki", "Zoë",
];

const LAST_NAMES: [&str; 64] = [
    "Abbott",
    "Almeida",
    "Andersen",
    "Baker",
    "Baptiste",
    "Bauer",
    "Berg",
    "Bianchi",
    "Brandt",
    "Carter",
    "Castillo",
    "Clarke",
    "Costa",
    "Dahl",
    "Dubois",
    "Eriksen",
    "Farrow",
    "Fischer",
    "Flores",
    "Fontaine",
    "Garnier",
    "Grant",
    "Haas",
    "Hale",
    "Hansen",
    "Hayashi",
    "Herrera",
    "Holm",
    "Ito",
    "Jansen",
    "Keller",
    "Khan",
    "Kowalski",
    "Larsen",
    "Leclerc",
    "Lindqvist",
    "Lopez",
    "Marsh",
    "Mendes",
    "Meyer",
    "Moreau",
    "Müller",
    "Nakamura",
    "Novak",
    "Okafor",
    "Olsen",
    "Ortega",
    "Park",
    "Petrov",
    "Quinn",
    "Ramos",
    "Reyes",
    "Rossi",
    "Sato",
    "Schmidt",
    "Silva",
    "Sørensen",
    "Tanaka",
    "Torres",
    "Vargas",
    "Walker",
    "Weber",
    "Yilmaz",
    "Zeller",
];

const SENTENCES: [&str; 24] = [
    "A family returns to the coast after twenty years.",
    "Two friends open a small restaurant and learn what it takes to keep it.",
    "The crew follows the river from its source to the sea.",
    "An old letter changes the life of a whole village.",
    "Nobody expected the storm to last this long.",
    "She leaves the city with one suitcase and a map.",
    "The last season brings back every character of the first.",
    "A detective reopens a case that was closed too early.",
    "Music, light and a long summer night.",
    "The film was restored from the original negative.",
    "Includes interviews with the cast and the director.",
    "Shot on location in four countries.",
    "A portrait of a town and the people who stayed.",
    "He has one week to find the missing painting.",
    "The twins discover a door that was never there before.",
    "A quiet comedy about loud neighbours.",
    "Every Sunday they meet at the same table.",
    "The expedition reaches the summit, but not all return.",
    "Une histoire d'amour au bord de la mer.",
    "Eine Reise durch das alte Gebirge.",
    "Una noche cambia la vida de tres hermanas.",
    "港の町で、二人は再び出会う。",
    "Город, который никогда не спит.",
    "मेला शुरू होने में एक ही रात बाकी है।",
];

const TITLES: u64 = 112 * 112;

/// The title with this number: `Silent Harbor`, `The Golden Orchard`.
pub fn title(number: u64) -> String {
    let place = (number * 5003) % TITLES;
    let (adjective, noun) = (ADJECTIVES[index(place / 112)], NOUNS[index(place % 112)]);
    if number % 5 == 1 { format!("The {adjective} {noun}") } else { format!("{adjective} {noun}") }
}

/// The keyword with this number, lower case, different for each number.
pub fn keyword(number: u64) -> String {
    let (adjective, noun) = (ADJECTIVES[index(number / 112 % 112)], NOUNS[index(number % 112)]);
    match number / 112 {
        0 => noun.to_lowercase(),
        1..=112 => format!("{} {}", adjective.to_lowercase(), noun.to_lowercase()),
        more => format!("{} {} {}", adjective.to_lowercase(), noun.to_lowercase(), more / 112),
    }
}

/// A person's name, different for each number below 4,096.
pub fn person(number: u64) -> String {
    let place = (number * 1237) % 4096;
    format!("{} {}", FIRST_NAMES[index(place / 64)], LAST_NAMES[index(place % 64)])
}

/// One to `most` sentences by the draws from `k` on.
pub fn sentences(dice: Dice, k: u64, most: u64) -> String {
    let mut text = String::new();
    for number in 0..=dice.below(k, most) {
        if number > 0 {
            text.push(' ');
        }
        text.push_str(dice.pick(k + 1 + number, &SENTENCES));
    }
    text
}

/// Text of at least `bytes` bytes in one of the languages, in paragraphs.
pub fn body(dice: Dice, k: u64, bytes: usize) -> String {
    let mut text = String::with_capacity(bytes + 200);
    let mut draws = random::Draws::new(dice.draw(k));
    while text.len() < bytes {
        text.push_str(draws.pick(&SENTENCES));
        text.push(if draws.below(5) == 0 { '\n' } else { ' ' });
    }
    text.truncate(text.trim_end().len());
    text
}

/// A place.
pub fn place(dice: Dice, k: u64) -> &'static str {
    const PLACES: [&str; 16] = [
        "Denver",
        "Lisbon",
        "Oslo",
        "Kraków",
        "São Paulo",
        "Kyoto",
        "Nairobi",
        "Montréal",
        "Zürich",
        "Galway",
        "Austin",
        "Valencia",
        "Tbilisi",
        "Jaipur",
        "Perth",
        "Reykjavík",
    ];
    dice.pick(k, &PLACES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_differ() {
        assert_eq!((0..TITLES).map(title).collect::<HashSet<_>>().len(), index(TITLES));
        assert_eq!((0..61_000).map(keyword).collect::<HashSet<_>>().len(), 61_000);
        assert_eq!((0..4096).map(person).collect::<HashSet<_>>().len(), 4096);
    }
}
