/**
 * 256 short words that sound unlike each other, in alphabetical order: one for each value of a byte. The order never
 * changes: old packing slips would no longer agree with their bundles.
 */
export const CHECK_WORDS: readonly string[] = [
  "acorn adobe agent alarm album almond amber anchor angle ankle apple apron arch arena armour arrow",
  "artist aspen atlas attic autumn avenue badge bagel bakery ballad bamboo banjo barley basil beacon beetle",
  "bench berry bicycle birch biscuit blanket blossom bonfire bottle boulder breeze brick bridge bronze bucket buffalo",
  "bugle butter cabin cactus camel candle canoe canyon carbon castle cedar cement chalk cherry chimney cider",
  "cinema circus citrus clover cobalt coconut comet compass copper coral cotton cradle crater cricket crystal cycle",
  "dahlia daisy dancer dawn denim desert diamond diesel dinner dolphin donkey dragon drum eagle early easel",
  "echo eclipse elbow elder elephant ember engine envoy escort estate fabric falcon feather fennel ferry fiddle",
  "finch flag flute forest fossil fountain fox frost galaxy garden garlic ginger giraffe glacier goblet gondola",
  "granite grape guitar hammer hamster harbour harvest hazel helmet heron hickory honey horizon hotel husky iceberg",
  "igloo indigo insect island ivory jacket jaguar jasmine jigsaw jockey jungle juniper kayak kettle kingdom kitchen",
  "kiwi ladder lagoon lantern laurel lemon leopard lettuce library lilac linen lizard lobster locket magnet mango",
  "maple marble meadow melon mirror mitten monsoon mosaic muffin mustard napkin nectar needle nickel nougat oasis",
  "oboe octopus olive onion opera orbit orchid otter oyster paddle palace panther papaya parrot pebble pelican",
  "pepper piano picnic pigeon pilot pirate pistachio planet plaza plum pocket polar poppy prairie pumpkin puzzle",
  "quarry quilt rabbit radish raven ribbon river rocket saddle saffron salmon sandal satin scarf silver spider",
  "sunset tango temple thistle tiger tomato tulip tunnel turtle umbrella valley velvet violin walnut willow zebra",
].flatMap((row) => row.split(" "));
