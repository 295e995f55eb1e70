#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The closed domain as a sentence grammar: voice control, numbers, times, dates, coffee orders, cards.
Deterministic for a given random.Random. Text is lower case; say() turns it into what a synthesiser should read."""
import random

DIG = "zero one two three four five six seven eight nine".split()
TEENS = "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
MONTHS = "january february march april may june july august september october november december".split()
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
ORD = ("first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth "
       "sixteenth seventeenth eighteenth nineteenth twentieth").split()
ORD += ["twenty " + o for o in ORD[:9]] + ["thirtieth", "thirty first"]
ROOMS = "kitchen,bedroom,bathroom,living room,office,garage,hall,garden".split(",")
DEVICES = "light,lights,lamp,fan,heater,radio,television,music,alarm,camera,door,window,oven".split(",")
COLOURS = "red green blue white yellow orange purple".split()
WAKE = "computer,jarvis,alexa,snowboy,smart mirror,view glass".split(",")
UNITS = "meters,feet,steps,degrees,miles,inches".split(",")
SUITS = "spades hearts diamonds clubs".split()
RANKS = "ace king queen jack two three four five six seven eight nine ten".split()
ALONE = ("yes no on off up down left right stop go forward backward hello help cancel please coffee milk sugar light music door "
         "red green blue white").split()
SPOKEN = {"a m": "ay em", "p m": "pee em", "oh": "oh", "snowboy": "snow boy"}


def below_100(r):
    k = r.random()
    if k < .3:
        return r.choice(DIG)
    if k < .5:
        return r.choice(TEENS)
    t = r.choice(TENS)
    return t if r.random() < .35 else t + " " + r.choice(DIG[1:])


def number(r):
    k = r.random()
    if k < .55:
        return below_100(r)
    hundred = r.choice(DIG[1:]) + " hundred"
    if k < .8:
        return hundred if r.random() < .3 else hundred + (" and " if r.random() < .4 else " ") + below_100(r)
    if k < .9:
        s = r.choice([below_100(r) if r.random() < .5 else r.choice(DIG[1:])]) + " thousand"
        if r.random() < .4:
            return s
        s += " " + r.choice(DIG[1:]) + " hundred"
        return s if r.random() < .5 else s + " " + below_100(r)
    if k < .97:
        return below_100(r) + " point " + " ".join(r.choice(DIG) for _ in range(r.randint(1, 3)))
    return r.choice(DIG[1:]) + " million"


def digits(r, least=3, most=8):
    out = []
    for _ in range(r.randint(least, most)):
        k = r.random()
        out.append("oh" if k < .05 else "double " + r.choice(DIG) if k < .08 else r.choice(DIG))
    return " ".join(out)


def clock(r):
    hour = r.choice(DIG[1:] + TEENS[:3])
    k = r.random()
    if k < .2:
        return hour + " o'clock"
    if k < .4:
        return r.choice(["half past", "quarter past", "quarter to", "ten past", "twenty to", "five to"]) + " " + hour
    minute = r.choice(TENS[:4]) if r.random() < .5 else r.choice(TENS[:4]) + " " + r.choice(DIG[1:])
    if r.random() < .2:
        minute = "oh " + r.choice(DIG[1:])
    if k < .55:
        minute = r.choice(TEENS)
    return hour + " " + minute + r.choice(["", " a m", " p m"])


def date(r):
    k = r.random()
    day, month = r.choice(ORD), r.choice(MONTHS)
    s = month + " " + day if k < .5 else "the " + day + " of " + month
    if r.random() < .35:
        s = r.choice(DAYS) + " " + s
    if r.random() < .3:
        s += r.choice([" twenty " + below_100(r), " nineteen " + below_100(r), " two thousand and " + r.choice(DIG[1:])])
    return s


def duration(r):
    unit = r.choice(["second", "minute", "hour"])
    n = below_100(r) if unit != "hour" else r.choice(DIG[1:] + TEENS[:3])
    return n + " " + unit + ("" if n == "one" else "s")


def amount(r):
    return r.choice(["", "", "", "some ", "a bit of ", "a little bit of ", "lots of ", "a lot of "])


def coffee(r):
    head = r.choice(["can i get", "can i have", "may i have", "i'd like", "i want", "give me", "make me", "get me", "brew",
                     "please make me", "i would like", "could i get"])
    mods = []
    if r.random() < .4:
        mods.append(r.choice(["single shot", "double shot", "triple shot"]))
    if r.random() < .4:
        mods.append(r.choice(["light roast", "medium roast", "dark roast"]))
    if r.random() < .4:
        mods.append(r.choice(["small", "medium", "large", "eight ounce", "twelve ounce", "sixteen ounce", "twenty ounce"]))
    r.shuffle(mods)
    drink = r.choice(["coffee", "iced coffee", "mocha", "iced mocha", "drip coffee", "house coffee", "espresso", "americano",
                      "cappuccino", "latte", "tea"])
    body = " ".join(mods + [drink])
    article = r.choice(["a", "a", "a", "an" if body[0] in "aeio" else "a", ""])
    s = head + " " + (article + " " if article else "") + body
    extras = []
    if r.random() < .45:
        extras.append(amount(r) + r.choice(["milk", "soy milk", "skim milk", "whole milk", "almond milk", "cream"]))
    if r.random() < .45:
        extras.append(amount(r) + r.choice(["sugar", "brown sugar", "sweetener"]))
    r.shuffle(extras)
    if extras:
        s += " with " + " and ".join(extras)
    if r.random() < .1:
        s += " please"
    return s


def cards(r):
    return " ".join(r.choice(RANKS) + " of " + r.choice(SUITS) for _ in range(r.randint(1, 3)))


def robot(r):
    k = r.random()
    if k < .4:
        return r.choice(["go", "move", "drive"]) + " " + r.choice(["forward", "backward", "up", "down"]) + " " + number(r) + " " + r.choice(UNITS[:3])
    if k < .7:
        return "turn " + r.choice(["left", "right", "around"]) + ("" if r.random() < .4 else " " + number(r) + " degrees")
    return r.choice(["stop", "start", "go", "stop now", "go back", "wait", "follow me", "come here", "faster", "slower", "left", "right",
                     "up", "down", "forward", "backward"])


def home(r):
    k = r.random()
    room, device, the = r.choice(ROOMS), r.choice(DEVICES), r.choice(["the ", "the ", ""])
    if k < .3:
        return r.choice(["turn on", "turn off", "switch on", "switch off"]) + " " + the + (room + " " if r.random() < .6 else "") + device
    if k < .36:
        return "turn " + the + (room + " " if r.random() < .5 else "") + device + " " + r.choice(["on", "off"])
    if k < .46:
        return r.choice(["open", "shut", "lock", "unlock"]) + " the " + (room + " " if r.random() < .5 else "") + r.choice(["door", "window", "gate", "curtains"])
    if k < .58:
        return "set the " + (room + " " if r.random() < .5 else "") + r.choice(["light", "lights", "lamp"]) + " to " + r.choice([r.choice(COLOURS), number(r) + " percent"])
    if k < .68:
        return "set the " + r.choice(["temperature", "heater", "oven", "volume"]) + " to " + below_100(r) + r.choice([" degrees", " percent", ""])
    if k < .78:
        return r.choice(["turn the volume up", "turn the volume down", "volume up", "volume down", "play music", "play some music", "pause",
                         "next song", "previous song", "stop the music", "play the next song", "play the radio", "mute"])
    if k < .86:
        return r.choice(["what time is it", "what is the time", "what's the weather",
                         "what is the weather " + r.choice(["today", "tomorrow", "on " + r.choice(DAYS)]), "how cold is it in the " + room,
                         "what day is it", "is the " + r.choice(["door", "window"]) + " open"])
    return r.choice(["yes", "no", "please", "thank you", "hello", "help", "cancel", "okay", "good morning", "good night", "never mind",
                     "on", "off", "yes please", "no thank you"])


def plan(r):
    k = r.random()
    if k < .25:
        return r.choice(["set a timer for ", "start a timer for ", "set the timer for "]) + duration(r)
    if k < .45:
        return r.choice(["set an alarm for ", "wake me up at ", "set the alarm for "]) + clock(r) + r.choice(["", " tomorrow", " on " + r.choice(DAYS), " today"])
    if k < .6:
        return (r.choice(["remind me to ", "add a note to "]) + r.choice(["call ", "write to "])
                + r.choice(["mom", "dad", "john", "mary", "the office", "the doctor", "home"])
                + r.choice([" at " + clock(r), " in " + duration(r), " on " + r.choice(DAYS)]))
    if k < .72:
        return r.choice(["call ", "dial "]) + r.choice(["mom", "dad", "john", "mary", "the office", "home", "the doctor", digits(r, 4, 7)])
    if k < .84:
        return r.choice(["the meeting is ", "my birthday is ", "the date is ", ""]) + r.choice(["", "on "]) + date(r)
    if k < .92:
        return r.choice(["the price is ", "it costs ", "send ", ""]) + number(r) + " dollars" + ("" if r.random() < .6 else " and " + below_100(r) + " cents")
    return r.choice(["add ", "buy "]) + r.choice([below_100(r) + " ", ""]) + r.choice(["eggs", "apples", "milk", "bread", "sugar", "coffee", "tea"]) + " to the list"


def single(r):
    k = r.random()
    if k < .6:
        return r.choice(DIG)
    if k < .7:
        return r.choice(WAKE)
    if k < .8:
        return r.choice(TEENS + TENS)
    return r.choice(ALONE + MONTHS + DAYS)


def sentence(r):
    k = r.random()
    if k < .22:
        s = single(r)
    elif k < .36:
        s = r.choice(["", "", "", "my number is ", "the number is ", "the code is "]) + digits(r, 2, 8)
    elif k < .44:
        s = number(r)
    elif k < .50:
        s = clock(r)
    elif k < .54:
        s = date(r)
    elif k < .68:
        s = home(r)
    elif k < .73:
        s = robot(r)
    elif k < .81:
        s = plan(r)
    elif k < .95:
        s = coffee(r)
    else:
        s = cards(r)
    if .54 <= k < .95 and r.random() < .08:
        s = r.choice(["hey ", "okay ", ""]) + r.choice(WAKE) + " " + s
    return s


def say(text):
    text = " " + text + " "
    for k, v in SPOKEN.items():
        text = text.replace(" " + k + " ", " " + v + " ")
    return text.strip()


if __name__ == "__main__":
    for seed in range(20):
        print(sentence(random.Random(seed)))
