#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""make_accented.py PREFIX --seed N --count N --voices a,b,...
English read by festival's Italian, Finnish and Czech diphone voices: the American voice gives phones, durations and
pitch, which are mapped onto the other voice's phones. The result is accented English from real human timbres."""
import argparse
import os
import random
import subprocess
import tempfile
import time

import sentences
from speech_util import BankWriter, read_wav, trim

CONSONANTS = "p t k b d g f v s z m n l r".split()
ITALIAN = {c: [c] for c in CONSONANTS}
ITALIAN.update(aa=["a1"], ae=["E1"], ah=["a"], ao=["O1"], aw=["a1", "u"], ax=["e"], er=["e1", "r"], axr=["e", "r"], ay=["a1", "i"], eh=["E1"], ey=["e1", "i"], ih=["i"], ix=["i"], iy=["i1"], ow=["o1", "u"], oy=["O1", "i"], uh=["u"], uw=["u1"], th=["t"], dh=["d"], sh=["S"], zh=["Z"], ch=["tS"], jh=["dZ"], hh=[], ng=["ng", "g"], w=["w"], y=["j"], dx=["d"], el=["e", "l"], em=["e", "m"], en=["e", "n"], nx=["n"], pau=["#"])
FINNISH = {c: [c] for c in CONSONANTS}
FINNISH.update(aa=["a:"], ae=["@"], ah=["a"], ao=["o:"], aw=["a", "u"], ax=["7"], er=["7:"], axr=["7", "r"], ay=["a", "i"], eh=["e"], ey=["e", "i"], ih=["i"], ix=["i"], iy=["i:"], ow=["o", "u"], oy=["o", "i"], uh=["u"], uw=["u:"], z=["s"], th=["t"], dh=["d"], sh=["s"], zh=["s"], ch=["t", "s"], jh=["d", "j"], hh=["h"], ng=["N"], w=["v"], y=["j"], dx=["t"], el=["7", "l"], em=["e", "m"], en=["e", "n"], nx=["n"], pau=["#"])
CZECH = {c: [c] for c in CONSONANTS}
CZECH.update(aa=["a:"], ae=["e"], ah=["a"], ao=["o:"], aw=["a", "u"], ax=["e"], er=["e:", "r"], axr=["e", "r"], ay=["a", "j"], eh=["e"], ey=["e", "j"], ih=["i"], ix=["i"], iy=["i:"], ow=["o", "u"], oy=["o", "j"], uh=["u"], uw=["u:"], th=["f"], dh=["d"], sh=["s~"], zh=["z~"], ch=["c~"], jh=["dz~"], hh=["h"], ng=["n*", "g"], w=["v"], y=["j"], dx=["t"], el=["e", "l"], em=["e", "m"], en=["e", "n"], nx=["n"], pau=["#"])
VOICES = {  # name: (festival command, phone map, pitch factor)
    "it_lp": ("voice_lp_diphone", ITALIAN, 1.75), "it_pc": ("voice_pc_diphone", ITALIAN, 1.0),
    "fi_lj": ("voice_suo_fi_lj_diphone", FINNISH, 1.75), "fi_mv": ("voice_hy_fi_mv_diphone", FINNISH, .95),
    "cz_ph": ("voice_czech_ph", CZECH, 1.0), "cz_dita": ("voice_czech_dita", CZECH, 1.75),
    "cz_krb": ("voice_czech_krb", CZECH, 2.1), "cz_machac": ("voice_czech_machac", CZECH, 1.0)}
DUMP = r"""
(define (dump txt stretch)
  (Parameter.set 'Duration_Stretch stretch)
  (let ((u (utt.synth (eval (list 'Utterance 'Text txt)))))
   (format t "UTT\n")
   (mapcar (lambda (s) (format t "S %s %f %f\n" (item.name s) (item.feat s 'segment_duration) (item.feat s 'end)) (mapcar (lambda (x) (format t "T %f %f\n" (item.feat x 'pos) (item.feat x 'f0))) (if (item.relation s 'Target) (item.daughters (item.relation s 'Target)) nil))) (utt.relation.items u 'Segment))))
(voice_kal_diphone)"""
DEVOICE = {"b": "p", "d": "t", "g": "k", "v": "f", "z": "s", "dz~": "c~", "z~": "s~"}
UNVOICED = {"p", "t", "k", "f", "s", "s~", "c~", "#", "h", "th", "ch", "sh", "hh", "pau"}


def segments(items, tmp):
    """Phones [name, duration, end, [(pos, f0)]] of each (text, stretch, mean f0, f0 spread), from the American voice."""
    lines = [DUMP]
    for text, stretch, mean, sd in items:
        lines.append(f"(set! int_lr_params '((target_f0_mean {mean}) (target_f0_std {sd}) (model_f0_mean 170) (model_f0_std 34)))")
        lines.append(f'(dump "{sentences.say(text)}" {stretch})')
    open(tmp + "/s.scm", "w").write("\n".join(lines))
    utts = []
    for line in subprocess.run(["festival", "-b", tmp + "/s.scm"], capture_output=True, text=True).stdout.split("\n"):
        f = line.split()
        if not f:
            continue
        if f[0] == "UTT":
            utts.append([])
        elif f[0] == "S":
            utts[-1].append([f[1], float(f[2]), float(f[3]), []])
        elif f[0] == "T":
            utts[-1][-1][3].append((float(f[1]), float(f[2])))
    return utts


def convert(utt, phone_map, f0):
    """A festival Segments utterance with the other language's phones."""
    out, seq = [], [list(phone_map[p[0]]) for p in utt]
    if phone_map is not ITALIAN:                                # Czech and Finnish: final and regressive devoicing
        for i in range(len(seq) - 2, -1, -1):
            nxt = next((q[0] for q in seq[i + 1:] if q), "#")
            if seq[i] and seq[i][-1] in DEVOICE and nxt in UNVOICED:
                seq[i] = seq[i][:-1] + [DEVOICE[seq[i][-1]]]
            if len(seq[i]) == 1 and seq[i][0] == nxt and nxt != "#":
                seq[i] = []
    for (_, dur, end, targets), phones in zip(utt, seq):
        for k, p in enumerate(phones):
            d = dur / len(phones)
            start = end - dur + k * d
            t = [(max(0, min(d * .99, pos - start)), f) for pos, f in targets if start <= pos < start + d + 1e-6]
            out.append(f"({p} {max(.03, d):.4f}" + "".join(f" ({a:.4f} {f * f0:.0f})" for a, f in t) + ")")
    return "(" + " ".join(out) + ")"


def main():
    a = argparse.ArgumentParser()
    a.add_argument("prefix")
    a.add_argument("--seed", type=int, default=1)
    a.add_argument("--count", type=int, default=1000)
    a.add_argument("--voices", default=",".join(VOICES))
    a = a.parse_args()
    r, tmp, voices = random.Random(a.seed), tempfile.mkdtemp(dir="/dev/shm"), a.voices.split(",")
    bank, miss, t0 = BankWriter(a.prefix), 0, time.time()
    jobs = [(r.choice(voices), sentences.sentence(r), round(r.uniform(.85, 1.35), 2), r.randint(95, 125), r.randint(8, 22)) for _ in range(a.count)]
    for b in range(0, a.count, 100):
        part = jobs[b:b + 100]
        by_voice = {}
        for k, (job, utt) in enumerate(zip(part, segments([j[1:] for j in part], tmp))):
            by_voice.setdefault(job[0], []).append((k, utt))
        for v, items in by_voice.items():
            command, phone_map, f0 = VOICES[v]
            lines = [f"({command})"]
            for k, utt in items:
                lines.append(f"(utt.save.wave (utt.synth (Utterance Segments {convert(utt, phone_map, f0 * r.uniform(.85, 1.2))})) \"{tmp}/{k}.wav\" 'riff)")
            open(tmp + "/w.scm", "w").write("\n".join(lines))
            subprocess.run(["festival", "-b", tmp + "/w.scm"], capture_output=True)
            for k, _ in items:
                try:
                    x = trim(read_wav(f"{tmp}/{k}.wav"))
                    os.remove(f"{tmp}/{k}.wav")
                except Exception:
                    x = None
                if x is None:
                    miss += 1
                else:
                    bank.add(x, part[k][1], v, "accented")
    bank.close()
    print(f"{a.prefix}: clips {len(bank.index)} failed {miss} hours {bank.hours():.2f} wall {time.time() - t0:.0f} s")


if __name__ == "__main__":
    main()
