#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_speech.py PREFIX --split train|test|private --seed N --count FAMILY=N ...
Reads random domain sentences with espeak-ng, flite, RHVoice and festival voices into a clip bank.
The three splits share no voice: a voice (or espeak-ng variant, or accent) belongs to exactly one."""
import argparse
import os
import random
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import sentences
from speech_util import RATE, BankWriter, read_wav, trim

HERE = os.path.dirname(os.path.abspath(__file__))
VARIANTS = [l[1:] for l in open(HERE + "/espeak_variants.txt").read().split("\n") if l[:1] == "+"]
ACCENTS = ["en-us"] * 5 + ["en-gb"] * 2 + ["en-us-nyc", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan"]
HELD_VARIANTS = {"test": ["Andy", "f4", "klatt4", "Alicia", "Mario"], "private": ["m5", "Diogo", "steph2", "Lee", "norbert"]}
HELD_ACCENT = {"test": "en-029", "private": "en-gb-x-gbcwmd"}
VOICES = {
    "flite": {"train": ["slt", "slt", "rms", "rms", "awb", "awb", "kal16", "kal"], "test": [], "private": []},
    "rhvoice": {"train": ["alan", "bdl", "slt"], "test": ["clb"], "private": ["evgeniy-eng", "lyubov"]},
    "festival": {"train": ["cmu_us_slt_arctic_hts"], "test": ["ked_diphone"], "private": []},
}
FESTIVAL = """(define (one voice txt stretch out)
 (if (not (string-equal current-voice voice)) (begin (eval (list (intern (string-append "voice_" voice))))))
 (Parameter.set 'Duration_Stretch stretch)
 (let ((u (utt.synth (eval (list 'Utterance 'Text txt))))) (utt.save.wave u out 'riff)))"""


def pick_espeak(r, split):
    kept = [v for v in VARIANTS if not any(v in h for h in HELD_VARIANTS.values())]
    if split == "train":
        return r.choice(ACCENTS) + "+" + r.choice(kept)
    if r.random() < 0.7:
        return r.choice(ACCENTS) + "+" + r.choice(HELD_VARIANTS[split])
    return HELD_ACCENT[split] + "+" + r.choice(HELD_VARIANTS[split])


def make_jobs(r, split, counts):
    """(family, voice, text, options) for every clip."""
    jobs = []
    for family, n in counts.items():
        for _ in range(n):
            text = sentences.sentence(r)
            if family == "espeak":
                jobs.append((family, pick_espeak(r, split), text, dict(p=r.randint(15, 85), s=r.randint(110, 210), g=r.choice([0, 0, 0, 1, 3, 6]))))
            elif family == "flite":
                v = r.choice(VOICES[family][split])
                jobs.append((family, v, text, dict(d=round(r.uniform(.75, 1.4), 2), f=r.randint(80, 220) if v[:3] == "kal" else 0, sd=r.randint(8, 40))))
            elif family == "rhvoice":
                jobs.append((family, r.choice(VOICES[family][split]), text, dict(r=r.randint(75, 135), t=r.randint(80, 125))))
            else:
                jobs.append((family, r.choice(VOICES[family][split]), text, dict(d=round(r.uniform(.8, 1.35), 2), f=r.randint(85, 190), sd=r.randint(8, 30))))
    return jobs


def speak(job, out):
    family, voice, text, o = job
    s = sentences.say(text)
    if family == "espeak":
        c = ["espeak-ng", "-v", voice, "-p", str(o["p"]), "-s", str(o["s"]), "-g", str(o["g"]), "-w", out, s]
    elif family == "rhvoice":
        c = ["RHVoice-test", "-p", voice, "-r", str(o["r"]), "-t", str(o["t"]), "-o", out]
    else:
        c = ["flite", "-voice", voice, "--setf", f"duration_stretch={o['d']}"]
        if o["f"]:
            c += ["--setf", f"int_f0_target_mean={o['f']}", "--setf", f"int_f0_target_stddev={o['sd']}"]
        c += ["-t", s, "-o", out]
    subprocess.run(c, input=s.encode() if family == "rhvoice" else None, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def speak_festival(jobs, names, tmp):
    lines = [FESTIVAL]
    for (_, voice, text, o), out in zip(jobs, names):
        if voice == "ked_diphone":
            lines.append(f"(set! int_lr_params '((target_f0_mean {o['f']}) (target_f0_std {o['sd']}) (model_f0_mean 170) (model_f0_std 34)))")
        lines.append(f'(one "{voice}" "{sentences.say(text)}" {o["d"]} "{out}")')
    open(tmp + "/run.scm", "w").write("\n".join(lines))
    subprocess.run(["festival", "-b", tmp + "/run.scm"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def main():
    a = argparse.ArgumentParser()
    a.add_argument("prefix")
    a.add_argument("--split", default="train", choices=["train", "test", "private"])
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--jobs", type=int, default=1)
    a.add_argument("--count", nargs="+", required=True, help="espeak=N flite=N rhvoice=N festival=N")
    a = a.parse_args()
    r = random.Random(a.seed)
    jobs = make_jobs(r, a.split, {k: int(n) for k, n in (c.split("=") for c in a.count)})
    tmp = tempfile.mkdtemp(dir="/dev/shm")
    names = [f"{tmp}/{k}.wav" for k in range(len(jobs))]
    bank, bad, t0 = BankWriter(a.prefix), 0, time.time()

    def take(k):
        nonlocal bad
        try:
            x = trim(read_wav(names[k]))
            os.remove(names[k])
        except Exception:
            x = None
        if x is None or len(x) > RATE * 12:
            bad += 1
        else:
            bank.add(x, jobs[k][2], jobs[k][1], jobs[k][0])

    direct = [k for k, j in enumerate(jobs) if j[0] != "festival"]
    with ThreadPoolExecutor(a.jobs) as ex:
        for b in range(0, len(direct), 500):                     # in slices, so that few files wait on the memory disk
            part = direct[b:b + 500]
            for k, _ in zip(part, ex.map(lambda k: speak(jobs[k], names[k]), part)):
                take(k)
    fest = [k for k, j in enumerate(jobs) if j[0] == "festival"]
    for b in range(0, len(fest), 250):
        part = fest[b:b + 250]
        speak_festival([jobs[k] for k in part], [names[k] for k in part], tmp)
        for k in part:
            take(k)
    bank.close()
    print(f"{a.prefix}: clips {len(bank.index)} bad {bad} hours {bank.hours():.2f} wall {time.time() - t0:.0f} s")


if __name__ == "__main__":
    main()
