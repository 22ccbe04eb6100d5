"""
Values that hardly change from record to record: what the computed records say where nothing can be computed.

The numbers are those of real records, so that ranges and types are right. Words say that the data are computed.
"""

from collections.abc import Mapping

__all__ = ["AIA", "DISAMBIGUATION", "HMI", "INVERSION", "IRIS", "MDI", "SHARP"]

Values = Mapping[str, int | float | str]

_MADE_BY = "jsoc_fido.localsite.synthesize"
_WORDS: Values = {
    "HISTORY": "computed from the ephemeris",
    "COMMENT": "synthetic data, not an observation",
    "BLD_VERS": "synthetic",
    "QUALITY": 0,
}

HMI: Values = {
    **_WORDS, "QUALLEV1": 0, "QUAL_S": 0, "HCAMID": 3, "HFLID": 1021, "HCFTID": 11, "CAL_FSN": 65714753,
    "LUTQUERY": "synthetic", "TSEL": 22.761955, "TFRONT": 34.104862, "TINTNUM": 72, "SINTNUM": 10, "DISTCOEF": "none",
    "ROTCOEF": "none", "ODICOEFF": 6, "OROCOEFF": 4, "POLCALM": 1, "CALVER64": 0x1112, "SATVALS": 0,
    "SOURCE": "synthetic", **{f"CODEVER{number}": _MADE_BY for number in range(8)},
}  # fmt: skip

INVERSION: Values = {
    "INVCODEV": _MADE_BY, "INVDOCU": "none", "INVITERA": 200, "INVLMBDA": 149, "INVLMBDF": 6, "INVTUNEN": 6,
    "INVSVDTL": 1e-32, "INVCHIST": 1e-15, "INVPOLTH": 0.01, "INVPJUMP": 10.0, "INVLMBDM": -1998.0,
    "INVLMBD0": 6173.3433, "INVLMBDB": 0.044475775, "INVDLTLA": 27.0, "INVLMBDS": 49, "INVLMBMS": -648.0,
    "INVLYOTW": 424.0, "INVWNARW": 172.0, "INVWSPAC": 69.0, "INVINTTH": 100.0, "INVNFCTI": 0.083, "INVNFCTQ": 0.167,
    "INVNFCTU": 0.167, "INVNFCTV": 0.118, "INVCONTI": 0, "INVWGHTI": 0.022855, "INVWGHTQ": 0.056796,
    "INVWGHTU": 0.056796, "INVWGHTV": 0.056267, "INVSTLGT": "No", "INVFREEP": 958, "INVFLPRF": "none",
    "INVPHMAP": "none", "INVNPRCS": 11664272, "INVNCNVG": 11664267, "INVBBAVE": 122.5734,
}  # fmt: skip

DISAMBIGUATION: Values = {
    "AMBCODEV": _MADE_BY, "AMBDOCU": "none", "AMBGMTRY": 2, "AMBPATCH": 0, "AMBWEAK": 2, "AMBNEROD": 1, "AMBNGROW": 5,
    "AMBNPAD": 200, "AMBNAP": 10, "AMBNTX": 30, "AMBNTY": 30, "AMBBTHR0": 200.0, "AMBBTHR1": 400.0, "AMBSEED": 4,
    "AMBNEQ": 100, "AMBLMBDA": 1.0, "AMBTFCT0": 2.0, "AMBTFCTR": 0.98,
}  # fmt: skip

SHARP: Values = {
    **HMI, **INVERSION, **DISAMBIGUATION, "OFFDISK": 0, "QUIET": 1, "ACTIVE": 2, "NCLASS": 2, "ON_PATCH": 32,
    "MASK": 32, "ARM_QUAL": 0, "ARM_NCLN": 0, "H_MERGE": 0, "H_FAINT": 0, "ARMCODEV": _MADE_BY, "ARMDOCU": "none",
    "HRPCODEV": _MADE_BY, "HRPDOCU": "none", "ARM_MODL": "synthetic", "ARM_EDGE": 2.5, "ARM_BETA": "0.3",
    "TKP_KWID": "0.1", "TKP_KLAT": "1.0", "TKP_TAU": "0.05", "TKP_TAU2": "0.05", "TKP_ACTV": "2", "TKP_FNUM": "0",
    "TKP_FTIM": "1.0", "TKP_MAPR": "0.02", "TKP_RUNN": "synthetic", "TKP_RUNT": "none", "N_PATCHM": 0,
    "OMEGA_DT": 13.5938, "DOFFSET": 50, "MSKEW": 0.0358, "MKURT": 5.0651,
}  # fmt: skip

AIA: Values = {
    **_WORDS, "IMG_TYPE": "LIGHT", "EXPSDEV": 0.000147, "FID": 0, "QUALLEV0": 0, "PERCENTD": 100.0, "NSATPIX": 0,
    "NSPIKES": 0, "FLAT_REC": "none", "CTYPE1": "HPLN-TAN", "CTYPE2": "HPLT-TAN", "CUNIT1": "arcsec",
    "CUNIT2": "arcsec", "CRVAL1": 0.0, "CRVAL2": 0.0, "MPO_REC": "none", "INST_ROT": 0.019327, "ASD_REC": "none",
    "SAT_Y0": -4.536937, "SAT_Z0": 9.503804, "SAT_ROT": 0.000068, "ACS_MODE": "SCIENCE", "ACS_ECLP": "NO",
    "ACS_SUNP": "YES", "ACS_SAFE": "NO", "ACS_CGT": "GT3", "ORB_REC": "none", "HGLN_OBS": 0.0, "DN_GAIN": 18.3,
    "EFF_AREA": 1.0, "EFF_AR_V": 3.0, "TEMPCCD": -71.0, "TEMPGT": 20.785, "TEMPSMIR": 40.847, "TEMPFPAD": 21.016,
    "ISPSNAME": "aia.lev0_isp_0011", "ISPPKTVN": "001.197", "AIVNMST": 453, "AECDELAY": 1537, "AIAECTI": 0,
    "AIASEN": 0, "AIFDBID": 241, "AIMGOTSS": 5187, "AIFCPS": 10, "AIFTSWTH": 0, "AIFRMLID": 3122, "AIFTSID": 40962,
    "AIHISMXB": 7, "AIHIS192": 0, "AIHIS348": 2645257, "AIHIS604": 7135383, "AIHIS860": 8388608, "AIFWEN": 204,
    "AECTYPE": 2, "AECMODE": "ON", "AISTATE": "CLOSED", "AIAECENF": 1, "AIFILTYP": 0, "AIMSHOBC": 41.12,
    "AIMSHOBE": 26.096001, "AIMSHOTC": 55.327999, "AIMSHOTE": 69.335999, "AICFGDL1": 0, "AICFGDL2": 137,
    "AICFGDL3": 201, "AICFGDL4": 236, "AIFOENFL": 1, "AIMGFSN": 5, "AIMGTYP": 0, "AIAWVLEN": 7,
    **{f"AIAGP{number}": 0 for number in range(1, 8)}, "AIAGP8": 393, "AIAGP9": 457, "AIAGP10": 748, "AGT1SVY": -5,
    "AGT1SVZ": -6, "AGT2SVY": -6, "AGT2SVZ": -15, "AGT3SVY": -1, "AGT3SVZ": -2, "AGT4SVY": 9, "AGT4SVZ": -43,
    "AIMGSHEN": 4, "KEYWDDOC": "https://www.lmsal.com/sdodocs/", "ASQTNUM": 2,
}  # fmt: skip

MDI: Values = {
    **_WORDS, "DPC": 1229328320, "CROP_RAD": 504.0, "INTERVAL": 30.0, "SOURCE": "synthetic", "BLDVER15": "60100",
    "CALTBLS": "none", "XY_FROM": "SYNTHETIC", "XY_QUAL": 0, "BFITZORG": 0.0, "BLDVER18": -60102,
    "NOTE1": "synthetic", "EARTH_DT": 4.2,
}  # fmt: skip

IRIS: Values = {
    **_WORDS, "LVL_NUM": 1.0, "IMG_TYPE": "LIGHT", "SUMSPTRL": 1, "SUMSPAT": 1, "EXPTIME": 4.0, "EXPSDEV": 0.000017,
    "INT_TIME": 4.1, "QUALLEV0": 0, "CROPID": 16, "LUTID": 4, "PERCENTD": 100.0, "IICRSID": 71, "CRS_NREG": 1,
    "WIN_FLIP": 2, "TSR1": 2, "TER1": 1096, "TSC1": 1, "TEC1": 2072, "CRPIX3": 1.0, "CDELT3": 0.33, "WCSAXES": 3,
    "LONPOLE": 180, "PC1_1": 1.0, "PC1_2": 0.0, "PC2_1": 0.0, "PC2_2": 1.0, "PC3_1": 0.0, "PC3_2": 0.0,
    "FLAT_REC": "none", "NSATPIX": 0, "NSPIKES": 0, "ORB_REC": "none", "HLZ": 0, "SAA": 0, "ASD_REC": "none",
    "ACS_ECLP": "NO", "ACS_MODE": "FINE", "ACS_SAFE": "NO", "ACS_SUNP": "YES", "SAT_ROT": 0.0, "TEMPCCD": -55.0,
    "TEMPGT": 20.0, "TEMPPWB": 20.0, "TEMPSMIR": 30.0, "ISPSNAME": "iris.isp", "ISPPKTVN": "001.001", "IIOBSLID": 17,
    "IIFRMLID": 14, "ISQOLTID": 3820257466, "PIXLUNIT": "DN", "KEYWDDOC": "https://iris.lmsal.com/",
    "SPECSYS": "HELIOCENTRIC",
}  # fmt: skip
