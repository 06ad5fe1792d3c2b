"""Generates short stories in plain English from a grammar.

The stories are original text of this project (Apache-2.0, like the code). A story is one plot
filled in with a hero, a friend, a place and things; every slot is bound once, so that a name, a
pronoun or an object stays the same from the first sentence to the last.

Notation inside a plot: ``[a|b]`` picks one alternative, ``{slot}`` inserts a bound value and
``{he}``, ``{him}``, ``{his}`` follow the hero, ``{fhe}``, ``{fhim}``, ``{fhis}`` the friend.
"""

import random
import re

GIRLS = "Lily Anna Mary Sara Emma Rosa Nina Clara Ellen Kate Lucy Ruth Molly Daisy Grace Ivy Alma Jane Flora Tess".split()
BOYS = "Tom Ben Sam Jack Peter John Max Leo Oscar Henry Will Hugo Felix Paul Otto Frank Ned Simon Arthur Theo".split()
ANIMALS = "rabbit fox bear mouse duck frog hedgehog squirrel owl goose lamb beaver badger sparrow turtle".split()
PLACES = ["village by the sea", "little house near the forest", "small town by the river", "farm on a hill", "cottage at the edge of the woods",
          "house with a red roof", "valley between two mountains", "busy street in the city", "mill beside a stream", "house near the old bridge"]
WILD = ["the forest", "the field", "the river", "the hill", "the meadow", "the beach", "the old garden", "the lake", "the orchard", "the park"]
WEATHER = {
    "spring": ["sunny", "windy", "rainy", "warm", "cloudy"],
    "summer": ["sunny", "warm", "hot", "bright"],
    "autumn": ["windy", "rainy", "cloudy", "foggy", "cold"],
    "winter": ["cold", "snowy", "windy", "grey"],
}
SLOTS = {
    "toy": ["red ball", "wooden boat", "blue kite", "little drum", "toy train", "cloth doll", "tin soldier", "paper plane", "yellow top", "small bear made of cloth"],
    "treasure": ["gold coin", "silver key", "shiny stone", "old map", "glass bead", "ring", "little bell", "brass button", "pretty shell", "music box"],
    "tool": ["hammer", "ladder", "basket", "rope", "spade", "bucket", "lantern", "saw", "broom", "wheelbarrow"],
    "food": ["apple pie", "loaf of bread", "pot of soup", "bowl of berries", "honey cake", "plate of cookies", "pan of potatoes", "basket of plums"],
    "fruit": ["apples", "pears", "cherries", "plums", "berries", "nuts"],
    "plant": ["rose", "sunflower", "bean plant", "apple tree", "pumpkin", "tulip", "cabbage", "strawberry plant"],
    "pet": ["cat", "dog", "kitten", "puppy", "pony", "hen", "goat", "donkey"],
    "wildling": ["bird", "fox", "rabbit", "hedgehog", "deer", "owl", "squirrel", "duckling"],
    "color": ["red", "blue", "green", "yellow", "white", "brown", "black", "golden"],
    "day": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"],
    "parent": ["mother", "father", "grandmother", "grandfather", "aunt", "uncle"],
    "trade": ["baker", "farmer", "tailor", "carpenter", "fisherman", "miller", "blacksmith", "gardener", "shoemaker", "teacher"],
    "clothing": ["coat", "hat", "scarf", "pair of boots", "pair of gloves", "sweater"],
    "skill": ["swim", "read", "ride a horse", "whistle", "bake bread", "tie a knot", "play the flute", "row a boat", "climb a tree", "sing"],
    "number": ["two", "three", "four", "five", "six", "seven"],
    "trait": ["kind", "brave", "curious", "shy", "clever", "cheerful", "quiet", "patient", "stubborn", "gentle"],
    "fear": ["the dark", "thunder", "deep water", "high places", "big dogs", "the old house on the corner"],
}

OPENINGS = [
    "[Once upon a time|Long ago|One day|Once|A long time ago], there [was|lived] a [little|young|small|{trait}] {kind} named {name}. [{He} lived in a {place}.|{He} lived in a {place} with {his} {parent}.|]",
    "{name} was a {trait} [little |young |]{kind} who lived in a {place}. [Everyone liked {him}.|{He} had a good friend named {friend}.|{His} {parent} loved {him} very much.|]",
    "[In a {place}|Far away, in a {place}], there lived a {kind} [called|named] {name}. {He} was [very |always |]{trait}[ and {trait2}|].",
    "It was a {weather} [morning|day|afternoon] in {season}. {name} [woke up early|looked out of the window|put on {his} {clothing}|was sitting by the door|had nothing to do].",
    "[Every {day}|Every morning|Every day after school|In the {season}], {name} [went|liked to go|walked] to {wild}[ with {his} {parent}| with {friend}| to play|]. {He} was a {trait} {kind}.",
]

ENDINGS = [
    "[From that day on|After that], {name} [was always|tried to be] [more careful|kind to others|happy to help|patient].",
    "{name} was [very |so |]happy. [It was the best day of the {season}.|It had been a good day.|{He} would never forget that day.]",
    "That night, {name} [slept well|fell asleep with a smile|dreamed of {wild}|told {his} {parent} everything].",
    "And they [all |]lived happily [ever after|for many years].",
    "\"[What a day|I am so glad|This was fun|Thank you for everything|We did it]!\" said {name}[, and {he} went home| with a smile|]. ",
    "{name} learned that [it is good to share|a friend is better than gold|it is never too late to say sorry|small people can do great things|hard work makes the heart glad|the truth is always best|one should not give up]. ",
    "{name} and {friend} [were friends forever|walked home together|laughed and went home|sat down and watched the sun go down].",
]

PLOTS = [
    # the lost thing
    "[One day|One {weather} morning|On {day}], {name} could not find {his} {toy}. {He} looked under the [bed|table|chair], [in the kitchen|behind the door|in the garden], and [in the box|on the shelf|under the stairs], but it was not there. {name} [began to cry|felt sad|did not know what to do]. \"[Do not cry|Do not worry|Let us think]\", said {his} {parent}. \"Where did you [see it last|play with it yesterday]?\" {name} [thought for a while|remembered]. \"I took it to {wild}!\" {he} said. They went to {wild} and looked [everywhere|behind every tree|in the tall grass]. At last, {name} saw something {color} [under a bush|near a stone|in the grass]. It was the {toy}! [{name} held it tight and laughed.|{He} jumped for joy.|{He} hugged {his} {parent}.]",
    # the hurt animal
    "[One day|On a {weather} day|In the afternoon], {name} was walking near {wild} when {he} heard a [soft|small|strange|sad] sound. {He} [stopped and listened|looked around|followed the sound]. Under a [tree|bush|rock], there was a little {wildling}. Its [leg|foot] was hurt and it could not [move|walk]. \"[Poor little thing|Do not be afraid]\", said {name}. \"I will help you.\" {He} [picked it up gently|put it in {his} hat|wrapped it in {his} {clothing}] and took it home. {His} {parent} [gave it water|made a warm bed for it|put a clean cloth on the leg]. [Every day|Each morning], {name} gave the {wildling} [bread and milk|seeds|fresh water and food]. After {number} [days|weeks], the {wildling} was [well|strong] again. {name} carried it back to {wild} and let it go. [The {wildling} looked back once and ran away.|The {wildling} was free and happy.|\"Goodbye, little friend\", said {name}.]",
    # learning a skill
    "{name} wanted to learn to {skill}. [All {his} friends could do it, but {he} could not.|{His} {parent} could {skill} very well.] \"[It is too hard|I will never learn|I cannot do it]\", said {name}. \"[Try again|Do not give up|Nobody can do it the first time]\", said {his} {parent}. [So {name} tried|{name} tried] every [day|morning|evening]. The first time it [went badly|did not work]. The second time it was [a little better|not so bad]. {name} [was tired|wanted to stop], but {he} did not give up. [After {number} weeks|At the end of the {season}|One {weather} day], {name} could {skill}[ better than anyone| all by {himself}|]. \"[Look|Look at me|I can do it]!\" {he} [shouted|cried]. {His} {parent} [smiled|clapped|was proud of {him}].",
    # sharing food
    "{name} had a {food}. It smelled [very good|wonderful|sweet]. {He} wanted to eat it all [alone|by {himself}]. Then {friend} came [to the door|along the road|by]. {friend} was [hungry|cold and tired|sad]. \"[May I have some|Can I have a little piece|Will you share with me]?\" asked {friend}. At first, {name} [said no|did not want to share|shook {his} head]. {friend} [went away slowly|looked down|said nothing]. Then {name} [felt bad|thought about it|was sorry]. \"[Wait|Come back]!\" {he} called. \"[There is enough for two|Let us eat together|You can have half].\" They sat down [under a tree|at the table|by the fire] and ate the {food}. It tasted [better|much better] than before.",
    # the storm
    "[One evening|One night|In the {season}], a big storm came. The wind [blew|howled] and the rain [fell|beat] on the roof. {name} was [afraid|scared] and [hid under the blanket|held {his} {pet}|called {his} {parent}]. \"[Listen|Come here]\", said {his} {parent}. \"The storm is loud, but [our house is strong|it cannot come in|it will pass].\" They [lit a candle|made a fire|drank hot milk] and [sang a song|told a story]. [Then there was a knock at the door.|Suddenly, somebody knocked.] It was {friend}. {fHe} was wet [and cold|from head to foot]. \"[Come in|Come in quickly]!\" said {name}. {He} gave {friend} a dry {clothing} and [a cup of tea|some warm soup]. In the morning, the sun was shining and [the storm was gone|there was not a cloud in the sky|the birds were singing].",
    # treasure
    "One {weather} day, {name} and {friend} went to {wild}. {name} [was digging in the ground|looked under a stone|saw something shine] and found a {treasure}. \"[Look what I found|Look at this|How pretty]!\" said {name}. \"[It must belong to somebody|Who lost it]?\" asked {friend}. They [went to the village|asked everyone they met]. They asked the {trade}, but it was not his. They asked the old woman [at the market|by the well], and she [smiled|began to cry]. \"[That is my {treasure}|I lost it many years ago]\", she said. \"[Thank you|You are good children|How can I thank you]!\" She gave them [each a cake|a bag of {fruit}|a kiss and some {fruit}]. {name} and {friend} were [happy|proud] that they had [given it back|told the truth].",
    # the garden
    "In the {season}, {name} planted a seed [in the garden|in a pot|near the wall]. \"[What will it be|What will grow]?\" asked {friend}. \"A {plant}\", said {name}. Every day, {name} [gave it water|looked at it|sat beside it]. But nothing [happened|came up]. \"[It will never grow|The seed is bad]\", said {friend}. \"[Be patient|Good things take time|Wait and see]\", said {his} {parent}. {number_c} weeks [passed|went by]. Then one morning, {name} saw [something green|a tiny leaf]. It grew and grew until it was [taller than {name}|as high as the wall|big and strong]. It was the most beautiful {plant} in the [village|whole town]. [Everyone came to see it.|{friend} could not believe it.] ",
    # the proud one
    "{friend} was very proud of {fhis} {clothing}. \"[Nobody has a {clothing} like mine|Look how fine I am|I am the finest of all]\", {fhe} said [every day|to everyone]. {name} [only smiled|said nothing|was tired of hearing it]. One day, they went to {wild} and {friend} [fell into the mud|slipped into the water]. The fine {clothing} was [dirty|wet and dirty|full of mud]. [Some children laughed|The ducks laughed|Everyone laughed], but {name} did not. {He} [held out {his} hand|pulled {friend} out] and said, \"[Come, I will help you wash it|It can happen to anyone|A good heart is better than a fine {clothing}].\" {friend} was [ashamed|very sorry]. \"[You are a true friend|I was foolish|Thank you]\", {fhe} said.",
    # a job with the trade
    "{name} went to see the {trade}. \"[May I help you|Can I work with you today]?\" {he} asked. \"[Yes|Of course], but it is [hard work|not easy]\", said the {trade}. {name} [carried the {tool}|swept the floor|cleaned the {tool}] and [carried water|brought wood] all [morning|day]. {His} [arms|legs|back] hurt, but {he} did not [stop|complain]. In the evening, the {trade} [looked around|was pleased] and said, \"[Well done|You are a good worker|I have never seen such a fine helper]!\" [He|The {trade}] gave {name} {number} [silver coins|coins]. {name} ran home and [gave the money to {his} {parent}|bought a {food} for {his} {parent}|put the coins in a box].",
    # the race
    "One day, there was a [race|great race] [in the village|near {wild}]. {name} and {friend} [both wanted to win|stood side by side]. \"[I am faster than you|You will never win]\", said {friend}. [\"We will see\", said {name}.|{name} only smiled.] \"One, two, three, go!\" [shouted|called] the {trade}, and they ran. {friend} was [soon|far] ahead. But {fhe} [looked back and fell over a stone|stopped to eat {fruit}|sat down to rest]. {name} [ran on slowly and did not stop|came nearer and nearer]. [{name} could have won, but {he} stopped and helped {friend} up. They crossed the line together.|When {friend} looked up, {name} was already at the end of the road. {name} had won!]",
    # the fear
    "{name} was afraid of {fear}. [Nobody knew it|{He} never told anyone|{His} friends laughed at {him}]. One evening, {his} {pet} [did not come home|ran away|was gone]. {name} [took a lantern|put on {his} {clothing}] and [went out|opened the door]. {He} had to go [past|near] {fear_place}. {His} heart [beat fast|was beating]. \"[I must be brave|I will not turn back]\", {he} said to {himself}. {He} walked [slowly|step by step|on and on]. Then {he} heard a sound [behind a wall|in the grass]. It was the {pet}! {name} took it in {his} arms and [ran home|carried it home]. {He} was not afraid anymore. \"[You are very brave|I am proud of you]\", said {his} {parent}.",
    # the visit
    "On {day}, {name} went to visit {his} {parent}. {He} took a {food} [in a basket|with {him}]. On the way, {he} met a {wildling}. \"[Where are you going|What is in your basket]?\" asked the {wildling}. \"[I am going to see my {parent}|I am taking this to my {parent}]\", said {name}. \"[May I come with you|I am so hungry]\", said the {wildling}. {name} gave it a [little|small] piece and they went on together. [The road was long|It began to rain|The sun was hot], but they [talked and laughed|sang songs]. When they came to the house, {his} {parent} [was standing at the door|was waiting by the gate]. \"[Who is your friend|Whom have you brought]?\" {his} {parent} asked. [Soon|Then] all of them sat [at the table|in the garden] and [ate|had tea].",
    # the broken thing
    "{name} was playing with {his} {toy} in the house. {His} {parent} had said, \"[Do not play here|Play outside|Be careful].\" But {name} did not listen. [Crash!|Suddenly, there was a crash.] The [blue vase|big window|old clock|white plate] was broken. {name} was [afraid|frightened]. {He} wanted to [hide|run away|say that the {pet} did it]. But {he} went to {his} {parent} and said, \"[I broke it. I am sorry|It was my fault].\" {His} {parent} [was quiet for a moment|looked at {him}]. \"[You told the truth, and that is worth more|I am glad that you told me]\", {his} {parent} said. They [cleaned the floor together|picked up the pieces]. {name} [never played with the {toy} in the house again|promised to listen next time].",
    # the long way / lost
    "{name} and {friend} went to {wild} to [look for {fruit}|pick {fruit}|find {fruit}]. They [walked and walked|went deeper and deeper|did not look at the road]. Soon it was [dark|late|getting dark], and they did not know the way home. \"[We are lost|What shall we do]?\" said {friend}[ and began to cry|]. \"[Do not be afraid|Look at the stars|Let us follow the stream]\", said {name}. They [climbed a hill|climbed a tree] and saw a [small light|light far away]. It was the house of the {trade}. The {trade} [gave them bread and milk|let them sit by the fire] and [took them home|showed them the way]. {name_c} {parent} was so [happy|glad] to see them.",
    # the new friend
    "There was a new {fkind} in the village. [{fHis} name was {friend}|The new {fkind} was called {friend}]. {friend} [sat alone|did not speak to anyone|stood near the wall] and looked [sad|lonely]. The other children [were playing|ran and played]. {name} [saw this|looked at {fhim}] and went to {friend}. \"[Hello, my name is {name}|Do you want to play with me|Would you like to see my {toy}]?\" {he} said. {friend} [smiled|looked up]. \"[Yes, please|I would like that]\", {fhe} said. They played with the {toy} [all day|until it was dark|until the sun went down]. {friend} [was not lonely anymore|laughed for the first time]. [The next day, they met again.|Every day after that, they played together.]",
    # building
    "{name} and {friend} wanted to build a [boat|house in a tree|bridge over the stream|little cart]. They needed [wood|boards], [nails|a rope] and a {tool}. {name} asked the {trade} for a {tool}. \"[You may have it|Take it], but bring it back\", said the {trade}. They worked [all day|for {number} days]. {friend} [held the boards|cut the wood] and {name} [used the {tool}|tied the knots]. [Once it fell down, and they had to begin again.|It was not easy.|They made many mistakes.] At last, it was [ready|done]. They [painted it {color}|gave it a name]. \"[It is the best in the world|We made it ourselves]!\" said {friend}. Then {name} brought the {tool} back and [thanked the {trade}|said thank you].",
    # the clever trick
    "A [big|hungry|bad] wolf came to {wild}. [All the animals were afraid.|Nobody was safe.] The wolf saw {name} and said, \"[I will eat you up|Now I have you]!\" {name} was [small|afraid], but {he} was clever. \"[I am too thin|I am so small]\", said {name}. \"[Come with me, I know where there is a big {food}|Wait here, and I will bring you something better].\" The wolf was [greedy|stupid] and [agreed|followed {him}]. {name} led the wolf to [a deep hole|the well|the {trade}]. [\"Look down there\", said {name}. The wolf looked, and splash! He fell in.|The {trade} took a {tool} and chased the wolf away.] [The wolf never came back.|All the animals thanked {name}.]",
    # wish
    "One day, {name} caught a [little|golden|small] fish in the [river|lake|sea]. \"[Please let me go|Do not eat me]\", said the fish, \"and I will give you [one wish|a wish].\" {name} [was surprised|could not believe it]. {He} thought about [a {treasure}|a big house|a bag of gold]. But then {he} thought of {his} {parent}, who was [ill|sick|very tired]. \"I wish that my {parent} [will be well|may be well again]\", said {name}. {He} put the fish back in the water. When {he} came home, {his} {parent} was [singing|standing at the door|making a {food}]. \"[I feel so well today|It is strange, I am not ill anymore]\", said {his} {parent}. {name} [smiled and said nothing|laughed with joy|ran to the water to thank the fish].",
    # snow day
    "In the night, it had snowed. Everything was white [and quiet|outside]. {name} [put on {his} {clothing}|ran outside|called {friend}] and they made a [big|great] snowman. They gave it a carrot for a nose and [two stones for eyes|an old hat]. \"[It needs a name|What shall we call it]\", said {friend}. \"Let us call it [Mister White|Old John|Grandfather Frost]\", said {name}. They threw snowballs and [rode down the hill|ran over the ice] until their hands were [cold|red]. Then {his} {parent} called them in and gave them [hot chocolate|warm soup|a {food}]. [In the spring, the snowman was gone, but there was a flower in its place.|The next day, the snowman was still there.]",
    # the quarrel
    "{name} and {friend} both wanted the {toy}. \"[It is mine|I had it first|Give it to me]!\" said {name}. \"[No, it is mine|I saw it first]!\" said {friend}. They pulled [and pulled|hard], and the {toy} [broke|was torn in two]. [Both of them cried.|Now nobody had it.] They did not speak to each other for {number} days. {name} [was lonely|had nobody to play with]. {He} [mended the {toy}|put the {toy} together] with [glue|a piece of string] and took it to {friend}. \"[I am sorry|Let us be friends again]\", {he} said. \"[You can have it|We can share it].\" \"[I am sorry too|I missed you]\", said {friend}. Then they [played together|laughed] again.",
    # market day
    "{name} went to the market with {his} {pet}. {His} {parent} had said, \"[Sell the {pet} and bring home the money|Buy some {fruit} and come straight home].\" At the market, there were [people from every village|many people], and they sold {fruit}, bread and [cheese|flowers|cloth]. A man with a {color} hat [came up to|looked at] {name}. \"I will give you this {treasure} for your {pet}\", he said. {name} [looked at the {treasure}|looked at the {pet}]. The {pet} [looked back at {him}|put its head on {his} arm]. \"No\", said {name}. \"[My {pet} is my friend|A friend is not for sale].\" {He} went home [without any money|with an empty bag]. {His} {parent} [was not angry|laughed] and said, \"[You did right|We will find another way].\"",
    # the birthday
    "It was {friendposs} birthday, and {name} had no [present|gift]. {He} had no money to buy one. {He} [sat down and thought|asked {his} {parent} what to do]. \"[The best gifts are made by hand|You can make something]\", said {his} {parent}. So {name} took [some wood|some paper|a piece of cloth] and made a {toy}. It took {number} hours. [It was not perfect|One side was not straight], but {name} painted it {color}. At the party, there were many [big|fine] presents. {name} was [shy|afraid that {friend} would not like it]. {friend} opened it and [smiled|was quiet]. \"[You made it yourself|This is the best of all|I love it]!\" {fhe} said.",
]

MORE = {  # sentences of description that may stand between opening and plot
    1: ["The sun was [shining|warm|high in the sky] and the birds were singing.", "The wind was blowing over {wild}.", "{He} had a {color} {clothing} and a {pet}.",
        "{He} liked {fruit} more than anything.", "{His} {parent} was [a {trade}|old and wise|very kind].", "{His} best friend was {friend}, a {ftrait} {fkind}.",
        "{His} favorite thing was a {toy}.", "There was always something to do.", "The {trade} of the village was [an old man|a kind man|a tall man] with a {color2} [beard|coat]."],
}


def _hero(rng, used):
    """Picks a hero: (name, kind, (he, him, his, himself))."""
    roll = rng.random()
    if roll < 0.4:
        name, kind, forms = rng.choice(GIRLS), rng.choice(["girl", "girl", "girl", "child", "princess"]), ("she", "her", "her", "herself")
    elif roll < 0.8:
        name, kind, forms = rng.choice(BOYS), rng.choice(["boy", "boy", "boy", "child", "prince"]), ("he", "him", "his", "himself")
    elif rng.random() < 0.5:
        name, kind, forms = rng.choice(GIRLS), rng.choice(ANIMALS), ("she", "her", "her", "herself")
    else:
        name, kind, forms = rng.choice(BOYS), rng.choice(ANIMALS), ("he", "him", "his", "himself")
    if name in used:
        return _hero(rng, used)
    used.add(name)
    return name, kind, forms


def _bind(rng):
    """Chooses every slot of one story."""
    slots = {key: rng.choice(values) for key, values in SLOTS.items()}
    slots["season"] = rng.choice(list(WEATHER))
    slots["weather"] = rng.choice(WEATHER[slots["season"]])
    used = set()
    name, kind, (he, him, his, himself) = _hero(rng, used)
    friend, fkind, (fhe, fhim, fhis, _) = _hero(rng, used)
    slots.update(name=name, kind=kind, he=he, him=him, his=his, himself=himself, He=he.capitalize(), His=his.capitalize(),
                 friend=friend, fkind=fkind, fhe=fhe, fhim=fhim, fhis=fhis, fHe=fhe.capitalize(), fHis=fhis.capitalize())
    slots["trait2"] = rng.choice([t for t in SLOTS["trait"] if t != slots["trait"]])
    slots["ftrait"] = rng.choice(SLOTS["trait"])
    slots["color2"] = rng.choice(["white", "black", "grey", "brown"])
    slots.update(place=rng.choice(PLACES), wild=rng.choice(WILD), number_c=slots["number"].capitalize(),
                 name_c=name + "'s", friendposs=friend + "'s",
                 fear_place=slots["fear"] if slots["fear"].startswith("the old") else "the dark trees")
    return slots


def _choose(rng, text):
    """Resolves every ``[a|b]``, innermost first."""
    pattern = re.compile(r"\[([^\[\]]*)\]")
    while True:
        match = pattern.search(text)
        if match is None:
            return text
        text = text[: match.start()] + rng.choice(match.group(1).split("|")) + text[match.end() :]


def _polish(text):
    """Articles, commas inside quotation marks, capitals and spaces."""
    text = re.sub(r"\s+", " ", text).strip()
    text = re.sub(r"\b([Aa]) (?=[aeiou])", r"\1n ", text)
    text = re.sub(r'([^,.!?])", (said|she|he|asked|his|her)', r'\1," \2', text)
    text = re.sub(r'([!?])", ', r'\1" ', text)
    text = re.sub(r'([!?])[.?!]"', r'\1"', text)
    text = re.sub(r" ([.,!?])", r"\1", text)
    return text


def story(rng):
    """One story as a single paragraph."""
    slots = _bind(rng)
    middle = " ".join(rng.sample(MORE[1], rng.choice([0, 1, 1, 2])))
    text = " ".join([rng.choice(OPENINGS), middle, rng.choice(PLOTS), rng.choice(ENDINGS)])
    text = _choose(rng, text)
    text = re.sub(r"\{(\w+)\}", lambda m: slots[m.group(1)], text)
    return _polish(text)


def stories(count, seed):
    """Yields ``count`` different stories."""
    rng = random.Random(seed)
    seen = set()
    while len(seen) < count:
        text = story(rng)
        if text not in seen:
            seen.add(text)
            yield text


if __name__ == "__main__":
    for line in stories(12, 1):
        print(line, end="\n\n")
