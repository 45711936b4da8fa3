//! Names of people and songs who do not exist.

use super::rng::Rng;

const ADJECTIVES: [&str; 40] = [
    "Paper", "Amber", "Quiet", "Crooked", "Northern", "Salted", "Copper", "Sleepless", "Hollow",
    "Woollen", "Gentle", "Rusted", "Borrowed", "Distant", "Painted", "Restless", "Marble",
    "Lantern", "Tidal", "Feathered", "Muted", "Upland", "Brass", "Wandering", "Chalk", "Velour",
    "Cedar", "Frosted", "Patchwork", "Lowland", "Tin", "Slow", "Saffron", "Harbour", "Ember",
    "Granite", "Silver", "Dusty", "Winter", "Clockwork",
];
const THINGS: [&str; 48] = [
    "Herons", "Kettles", "Almanac", "Orchard", "Weathervanes", "Ferries", "Tramlines", "Magpies",
    "Pavilion", "Compass", "Junipers", "Lighthouse", "Accordions", "Meridian", "Thimbles",
    "Otters", "Caravan", "Observatory", "Windowsills", "Larks", "Gramophones", "Estuary",
    "Cartographers", "Matchbox", "Foxgloves", "Telegraph", "Sparrowhawks", "Bicycles", "Atlas",
    "Beekeepers", "Railings", "Moorhens", "Postcards", "Umbrellas", "Quarry", "Constellations",
    "Haymakers", "Semaphore", "Driftwood", "Typewriters", "Kingfishers", "Tinderbox", "Allotment",
    "Chimneys", "Nightjars", "Barometers", "Signalmen", "Wallflowers",
];
const FIRST_NAMES: [&str; 28] = [
    "Maren", "Tobias", "Ilse", "Corin", "Zoë", "Anselm", "Petra", "Lowell", "Saskia", "Emrys",
    "Noor", "Caspian", "Ingrid", "Renée", "Otis", "Thandi", "Björn", "Odile", "Rafe", "Yusra",
    "Linus", "Aoife", "Mateo", "Hana", "Piers", "Wilhelmina", "Jonah", "Sunniva",
];
const LAST_NAMES: [&str; 28] = [
    "Hollowell", "Vantongeren", "Ashgrove", "Quillfeather", "Marrin", "Ostrowe", "Penhaligan",
    "Tarnby", "Underhay", "Brightwater", "Castellane", "Dunmorrow", "Eskelund", "Fairweather",
    "Greyling", "Halvardson", "Iversleigh", "Kestrelman", "Loamshire", "Nightingall", "Oakhanger",
    "Peñarroja", "Rookwood", "Silverthorn", "Thistlewood", "Umberley", "Wrenfield", "Yarrowby",
];
const ENSEMBLES: [&str; 10] = [
    "Quartet", "Orchestra", "Trio", "Collective", "Ensemble", "String Band", "Revue", "Choir",
    "Brass Band", "Sound System",
];
const TOWNS: [&str; 16] = [
    "Saltmarsh", "Upper Tarn", "Kingsferry", "Hollin Bridge", "Port Amber", "Withy Green",
    "Stonemouth", "Larkhill", "Eastwater", "Nine Elms Halt", "Cold Harbour", "Mossdale",
    "Dunwick", "Ferrybank", "Old Quay", "Greywell",
];
const GENRES: [&str; 14] = [
    "slow folk", "chamber pop", "kitchen-table techno", "rainy-day jazz", "harbour blues",
    "bedroom electronica", "waltzes", "sea songs", "night-bus soul", "attic rock", "quiet house",
    "country for cities", "lullabies", "brass and tape loops",
];
const SONG_OPENINGS: [&str; 32] = [
    "River of", "Letters from", "The Last", "Under", "A Map of", "Waiting for", "Half Past",
    "Ghosts of", "Leaving", "Song for", "Beyond the", "Seven", "Tomorrow's", "Home to", "Blue",
    "Out of", "Still", "Falling", "Once More,", "Between", "Carry Me,", "No More", "Silver",
    "Counting", "Burning", "Hello,", "Slow", "Never", "Windows of", "After the", "Sleeping",
    "Your",
];
const SONG_ENDINGS: [&str; 36] = [
    "Glass", "Snow", "Ferry", "Lanterns", "Tuesday", "Harbour Lights", "Sparrows", "Thunder",
    "Paper Boats", "the Valley", "September", "Small Hours", "Coal and Honey", "Winter", "Roads",
    "Tides", "the Radio", "Orchards", "Morning", "Telephone Wires", "Rain", "Midnight", "Stations",
    "Salt", "Gardens", "the Long Field", "Shadows", "Engines", "Summer", "Bells", "Dust",
    "Staircases", "Daylight", "Marigolds", "the Moon", "Embers",
];

/// An artist's name.
pub(super) fn artist(rng: &mut Rng) -> String {
    match rng.below(10) {
        0..=3 => format!("The {} {}", rng.pick(&ADJECTIVES), rng.pick(&THINGS)),
        4..=5 => format!("{} {}", rng.pick(&ADJECTIVES), rng.pick(&THINGS)),
        6..=7 => format!("{} {}", rng.pick(&FIRST_NAMES), rng.pick(&LAST_NAMES)),
        8 => format!("{} & the {}", rng.pick(&FIRST_NAMES), rng.pick(&THINGS)),
        _ => format!("{} {}", rng.pick(&TOWNS), rng.pick(&ENSEMBLES)),
    }
}

/// What an artist says of themselves.
pub(super) fn about(rng: &mut Rng, name: &str) -> String {
    let (genre, town) = (rng.pick(&GENRES), rng.pick(&TOWNS));
    match rng.below(4) {
        0 => format!("{name} from {town}: {genre}, recorded at home."),
        1 => format!("Playing {genre} in and around {town} since {}.", 1998 + rng.below(24)),
        2 => format!("{} people, one van, {genre}. We live in {town}.", 2 + rng.below(6)),
        _ => format!("{genre} from {town}. New songs when they are ready, not before."),
    }
}

/// A song's title.
pub(super) fn song(rng: &mut Rng) -> String {
    if rng.one_in(6) {
        return rng.pick(&SONG_ENDINGS).to_owned();
    }
    format!("{} {}", rng.pick(&SONG_OPENINGS), rng.pick(&SONG_ENDINGS))
}

/// A name as it stands in a URL: lower case, accents dropped, hyphens between words.
pub(super) fn slugify(name: &str) -> String {
    let mut slug = String::with_capacity(name.len());
    for c in name.chars().flat_map(char::to_lowercase) {
        let plain = match c {
            'ä' | 'á' | 'å' => 'a',
            'é' | 'ë' | 'è' => 'e',
            'ö' | 'ó' | 'ø' => 'o',
            'ñ' => 'n',
            'ü' | 'ú' => 'u',
            '\'' => continue,
            other => other,
        };
        if plain.is_ascii_alphanumeric() {
            slug.push(plain);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    slug.truncate(tourbus_domain::ids::SLUG_BYTES_MAX);
    slug.trim_end_matches('-').to_owned()
}
